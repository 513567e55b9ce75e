import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending } from "../command.ts"
import { type Context, withStepUp } from "../context.ts"
import { printable } from "../io.ts"
import type { Keyferry } from "../keyferry.ts"

const account = async (context: Context, use: (keyferry: Keyferry) => Promise<Ending>): Promise<Ending> => {
  const connected = await context.connect()
  if (!connected.ok) return connected
  const { keyferry } = connected.value
  return (await keyferry.status()).mode === "account"
    ? use(keyferry)
    : err(failure("signed-out", "An address belongs to an account: kf signup LINK or kf login URL."))
}

const show = (context: Context): Promise<Ending> =>
  account(context, async (keyferry) => {
    const address = await keyferry.address()
    if (!address.ok) return address
    context.io.answer({ schema: "kf.address/1", ...address.value }, [printable(address.value.address)])
    if (address.value.waiting && !context.io.json)
      context.io.say("A new address waits for the link in its mailbox; until then this one stays.")
    return ok("done")
  })

export const command: CommandSpec = {
  name: "address",
  summary: "the mail address of your account",
  run: show,
  subcommands: [
    { name: "show", summary: "print it", run: show },
    {
      name: "set",
      summary: "change it; a link goes to the new mailbox, a notice to the old one",
      args: "<address>",
      run: (context, [wanted = ""]) =>
        account(context, async (keyferry) => {
          const asked = await withStepUp(context, keyferry, () => keyferry.changeAddress(wanted.trim()))
          if (!asked.ok) return asked
          context.io.answer({ schema: "kf.address/1", asked: wanted.trim(), waiting: true }, [
            `A link went to ${printable(wanted.trim())}: it changes the address, within 24 hours. Your present mailbox was told.`,
          ])
          return ok("done")
        }),
    },
  ],
}
