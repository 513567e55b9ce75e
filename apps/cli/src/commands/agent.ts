import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { findAgent, stopAgent } from "../agent/connect.ts"
import { type AgentCalls, createAgentCalls } from "../agent/remote.ts"
import type { CommandSpec, Ending } from "../command.ts"
import type { Context } from "../context.ts"
import { duration, iso, when } from "../format.ts"
import { printable } from "../io.ts"
import { pairs, table } from "../table.ts"

const withAgent = async (context: Context, use: (agent: AgentCalls) => Promise<Ending>): Promise<Ending> => {
  const channel = await findAgent({ folder: context.settings.folder, who: context.who, say: context.io.say })
  if (channel === undefined) return err(failure("not-found", "No agent runs for this profile: kf agent start"))
  try {
    return await use(createAgentCalls(channel))
  } finally {
    channel.close()
  }
}

const status = (context: Context): Promise<Ending> =>
  withAgent(context, async (agent) => {
    const now = await agent.status()
    const nowMs = context.clock.nowMs()
    context.io.answer(
      {
        schema: "kf.agent/1",
        pid: now.pid,
        version: now.version,
        startedAt: iso(now.startedAtMs),
        socket: now.socket,
        sshSocket: now.sshSocket,
        sshKeys: now.sshKeys,
        ...(now.lockAtMs === undefined ? {} : { lockAt: iso(now.lockAtMs) }),
        asked: now.asked.map((entry) => ({ at: iso(entry.atMs), who: entry.who, pid: entry.pid, what: entry.what })),
      },
      [
        ...pairs([
          ["Agent", `version ${now.version}, pid ${now.pid}, up ${duration(nowMs - now.startedAtMs)}`],
          ["Socket", now.socket],
          ["SSH", `${now.sshSocket} (${now.sshKeys} keys)`],
        ]),
        "",
        ...(now.asked.length === 0
          ? ["Nobody asked for anything in the last hour."]
          : table(
              context.io,
              ["WHEN", "WHO", "WHAT", "PID"],
              now.asked.map((entry) => [
                when(entry.atMs, nowMs, context.env["TZ"]),
                printable(entry.who),
                printable(entry.what),
                entry.pid === 0 ? "" : String(entry.pid),
              ]),
            )),
      ],
    )
    return ok("done")
  })

export const command: CommandSpec = {
  name: "agent",
  summary: "the process that holds the open vault, syncs and serves SSH keys",
  run: status,
  subcommands: [
    {
      name: "start",
      summary: "start it; any command that needs it does so too",
      run: async (context) => {
        const connected = await context.connect()
        if (!connected.ok) return connected
        const now = await connected.value.agent?.status()
        context.io.answer(
          {
            schema: "kf.agent/1",
            pid: now?.pid,
            version: now?.version,
            socket: now?.socket,
            sshSocket: now?.sshSocket,
          },
          [now === undefined ? "No agent is used (--no-agent)." : `The agent runs, pid ${now.pid}.`],
        )
        return ok("done")
      },
    },
    {
      name: "stop",
      summary: "stop it; the vault is locked",
      run: async (context) => {
        const stopped = await stopAgent(context.settings.folder, context.who)
        context.io.answer({ schema: "kf.agent/1", stopped }, [
          stopped ? "The agent has stopped; the vault is locked." : "No agent was running.",
        ])
        return ok("done")
      },
    },
    { name: "status", summary: "what it does and who asked in the last hour", run: status },
    {
      name: "socket",
      summary: "print the path of its socket",
      run: (context) =>
        withAgent(context, async (agent) => {
          const { socket } = await agent.status()
          context.io.answer({ schema: "kf.agent/1", socket }, [socket])
          return ok("done")
        }),
    },
  ],
}
