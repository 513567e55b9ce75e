import type { Keyferry } from "../keyferry.ts"
import { fakeKeyferry } from "./fake-keyferry.ts"
import { type CommandRun, type CommandWish, runCommand } from "./run-command.ts"

/** Runs a command that needs a server against a stand-in for the SDK: its words and its flow. */
export const run = (
  argv: readonly string[],
  keyferry: Partial<Keyferry>,
  wish: Partial<CommandWish> = {},
): Promise<CommandRun> => runCommand(argv, { keyferry: fakeKeyferry(keyferry), ...wish })

/** Keeps what the stand-in was asked, in order. */
export const calls = (): {
  readonly list: unknown[][]
  readonly of: (name: string) => (...args: unknown[]) => void
} => {
  const list: unknown[][] = []
  return {
    list,
    of:
      (name) =>
      (...args) =>
        void list.push([name, ...args]),
  }
}
