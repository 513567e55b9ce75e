import { arch, platform } from "node:os"
import process from "node:process"
import { readFileSync, statSync } from "node:fs"

import { ok } from "@keyferry/base"
import { errors } from "@keyferry/sdk/errors"

import { findClipboard } from "../clipboard.ts"
import { type CommandSpec, flagOption } from "../command.ts"
import type { Context } from "../context.ts"
import { duration, iso } from "../format.ts"
import { type Check, repairChecks, takeServer } from "../restored.ts"
import { KIT_UNCHECKED } from "../kit-words.ts"
import { agentLogPath, isPrivate } from "../places.ts"
import { table } from "../table.ts"
import { VERSION } from "../version.ts"

const PROBLEMS_FOUND = 1

export const command: CommandSpec = {
  name: "doctor",
  summary: "check this installation and say what to do",
  options: [
    { flags: "--support", text: "a report without secrets, names and addresses, to hand to somebody" },
    { flags: "--repair", text: "bring back what a restored server lost, then sync; thaws what fits again" },
    {
      flags: "--take-server",
      text: "the server's history of frozen vaults counts from here on; every item here stays and goes up again (asks)",
    },
  ],
  run: async (context, _args, options) => {
    const checks: Check[] = [...placeChecks(context)]
    const connected = await context.connect()
    if (connected.ok) {
      const { keyferry, agent } = connected.value
      const running = await agent?.status()
      checks.push({
        name: "agent",
        state: "good",
        found: running === undefined ? "not used (--no-agent)" : `version ${running.version}, pid ${running.pid}`,
      })
      if (flagOption(options, "repair")) checks.push(...(await repairChecks(keyferry)))
      if (flagOption(options, "takeServer")) {
        const taken = await takeServer(context, keyferry)
        if (!taken.ok) return taken
        checks.push(taken.value)
      }
      const status = await keyferry.status()
      checks.push(
        status.lock === "no-vault"
          ? { name: "vault", state: "look", found: "none yet", fix: "kf add KIND, kf signup LINK or kf login URL" }
          : status.lockCode !== undefined
            ? {
                name: "vault",
                state: "bad",
                found: errors[status.lockCode].sentence,
                fix: errors[status.lockCode].action,
              }
            : { name: "vault", state: "good", found: status.lock },
      )
      if (status.mode === "account") {
        const { account, sync } = status
        const fine = sync.code === undefined && sync.state !== "frozen" && sync.state !== "refused"
        const contact =
          status.lastContactMs === undefined
            ? "never reached"
            : `last reached ${duration(context.clock.nowMs() - status.lastContactMs)} ago`
        checks.push({
          name: "server",
          state: sync.state === "offline" ? "look" : "good",
          found: sync.state === "offline" ? `offline, ${contact}` : contact,
          ...(sync.state === "offline" ? { fix: errors["network-unreachable"].action.replace(": kf doctor", "") } : {}),
        })
        checks.push({
          name: "sync",
          state: fine ? "good" : "bad",
          found: sync.code === undefined ? sync.state : errors[sync.code].sentence,
          ...(sync.code === undefined ? {} : { fix: errors[sync.code].action }),
        })
        if (account?.kitUnchecked === true) checks.push({ name: "kit", state: "look", ...KIT_UNCHECKED })
        const evidence = await keyferry.evidence()
        if (evidence.ok) {
          for (const entry of evidence.value) {
            checks.push({
              name: "evidence",
              state: "bad",
              found: `${iso(entry.atMs)} ${entry.code}: ${entry.detail}`,
              fix: errors[entry.code].action,
            })
          }
        }
      }
    } else {
      checks.push({
        name: "agent",
        state: "bad",
        found: errors[connected.error.code].sentence,
        fix: `kf agent stop, then again; its log is ${agentLogPath(context.settings.folder)}`,
      })
    }
    const support = flagOption(options, "support")
    const log = support ? logTail(context.settings.folder) : []
    const bad = checks.some((check) => check.state === "bad")
    context.io.answer(
      {
        schema: "kf.doctor/1",
        version: VERSION,
        checks: support ? checks.map(withoutNames) : checks,
        ...(support ? { log } : {}),
      },
      [
        ...(support ? [`kf ${VERSION}, Node ${process.versions.node}, ${platform()} ${arch()}`] : []),
        ...table(
          context.io,
          ["CHECK", "STATE", "FOUND", "DO"],
          checks
            .map((check) => (support ? withoutNames(check) : check))
            .map((check) => [check.name, check.state, check.found, check.fix ?? ""]),
        ),
        ...(log.length === 0 ? [] : ["", "Names of errors in the agent's log:", ...log]),
      ],
    )
    return ok(bad ? PROBLEMS_FOUND : "done")
  },
}

const placeChecks = (context: Context): readonly Check[] => {
  const { folder } = context.settings
  const found = statSync(folder, { throwIfNoEntry: false })
  const clipboard = findClipboard(context.env)
  return [
    { name: "program", state: "good", found: `kf ${VERSION} on Node ${process.versions.node}` },
    found === undefined
      ? { name: "folder", state: "good", found: `${folder} is made when it is needed` }
      : isPrivate(folder)
        ? { name: "folder", state: "good", found: folder }
        : { name: "folder", state: "bad", found: `${folder} is open to others`, fix: `chmod 700 ${folder}` },
    clipboard === undefined
      ? {
          name: "clipboard",
          state: "look",
          found: "no program",
          fix: "install wl-clipboard, xclip or xsel if kf copy is wanted",
        }
      : { name: "clipboard", state: "good", found: clipboard.name },
  ]
}

/** A report for others names no person, no server and no folder of the home. */
const withoutNames = (check: Check): Check =>
  check.name === "folder"
    ? { name: check.name, state: check.state, found: check.state === "good" ? "private" : "open to others" }
    : check.name === "evidence"
      ? { ...check, found: check.found.replace(/:.*$/, "") }
      : check

const MOST_LOG_LINES = 20

/** First words of each entry only: a stack has paths of the home in it. */
const logTail = (folder: string): readonly string[] => {
  try {
    const lines = readFileSync(agentLogPath(folder), "utf8").split("\n")
    return lines
      .map((line) => /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([A-Za-z]+)/.exec(line))
      .filter((match) => match !== null)
      .map((match) => `${match[1]} ${match[2]}`)
      .slice(-MOST_LOG_LINES)
  } catch {
    return []
  }
}
