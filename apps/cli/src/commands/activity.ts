import { err, ok } from "@keyferry/base"
import { ACCOUNT_LOG, WORTH_A_LOOK } from "@keyferry/sdk/account-log-words"

import { type CommandSpec, textOption } from "../command.ts"
import { usage } from "../failures.ts"
import { iso, parseDuration, when } from "../format.ts"
import { printable } from "../io.ts"
import { table } from "../table.ts"

export const command: CommandSpec = {
  name: "activity",
  summary: "the server's log of your account, newest first",
  more: [
    "Lines with a ! are those that you should be able to explain. If you cannot: kf freeze, then kf password.",
    "Names of devices are put in here while the vault is open; the server's log has ids only.",
  ],
  options: [{ flags: "--since <time>", text: "how far back, such as 7d or 12h" }],
  run: async (context, _args, options) => {
    const since = textOption(options, "since")
    const spanMs = since === undefined ? Number.POSITIVE_INFINITY : parseDuration(since)
    if (spanMs === undefined) return err(usage(`--since ${since ?? ""}: a time such as 7d, 12h or 30m is expected`))
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    const log = await keyferry.accountLog()
    if (!log.ok) return log
    // A locked device reads its log too, and knows no names then.
    const devices = await keyferry.devices()
    const names = new Map(devices.ok ? devices.value.map(({ id, name }) => [id, name]) : [])
    const nowMs = context.clock.nowMs()
    const lines = log.value.filter(({ atMs }) => nowMs - atMs <= spanMs)
    context.io.answer(
      {
        schema: "kf.activity/1",
        data: lines.map(({ atMs, kind, deviceId, detail }) => ({
          at: iso(atMs),
          kind,
          deviceId,
          detail,
          worthALook: WORTH_A_LOOK.has(kind),
        })),
        nextCursor: null,
      },
      table(
        context.io,
        ["WHEN", "", "WHAT", "DETAIL"],
        lines.map(({ atMs, kind, deviceId, detail }) => [
          when(atMs, nowMs, context.env["TZ"]),
          WORTH_A_LOOK.has(kind) ? "!" : "",
          printable(sentenceOf(kind, deviceId === undefined ? "A device" : (names.get(deviceId) ?? deviceId))),
          printable(detail ?? ""),
        ]),
      ),
    )
    return ok("done")
  },
}

/** A newer server may write kinds that have no words here: those are shown as they are. */
const sentenceOf = (kind: string, device: string): string =>
  Object.hasOwn(ACCOUNT_LOG, kind)
    ? ACCOUNT_LOG[kind as keyof typeof ACCOUNT_LOG].replace("{device}", () => device)
    : kind
