import { ok as holds } from "node:assert/strict"

import { type CaughtMail, createSeededRandom, type SeededRandom } from "@keyferry/testkit"

import { createSecrets, type Secrets } from "./canaries.ts"
import { type Document, type KfRun, rowsAt, textAt } from "./profile.ts"
import type { Recorder } from "./recorder.ts"
import { rowsIn, serverStore } from "./stores.ts"
import { demand, type Machine, type MachineName, type World } from "./world.ts"

/** What the steps hand on to each other. */
export interface Story extends Recorder {
  readonly world: World
  readonly random: SeededRandom
  readonly secrets: Secrets
  readonly ada: Ada
  readonly a: Machine
  readonly b: Machine
  readonly c: Machine
  readonly d: Machine
  readonly e: Machine
  /** Ids of items by a name that only the story has. */
  readonly items: Map<string, string>
  /** Mails that were there before now. */
  readonly mailsSeen: () => number
  readonly mailSince: (seen: number, fits: (mail: CaughtMail) => boolean) => Promise<CaughtMail>
  readonly accountUuid: () => string
}

export interface Ada {
  readonly address: string
  password: string
  /** The text of the newest kit. */
  kit: string
  /** The next code of her authenticator; waits where she would have to. */
  code: () => Promise<string>
}

export const ADDRESS = "ada@example.org"

export const createStory = (world: World, recorder: Recorder, seed: string): Story => {
  const random = createSeededRandom(seed)
  const secrets = createSecrets(random.fork("secrets"))
  const machine = (name: MachineName): Machine => world.machine(name)
  const ada: Ada = {
    address: ADDRESS,
    password: secrets.word("password"),
    kit: "",
    code: () => Promise.reject(new Error("Ada has no authenticator yet")),
  }
  return {
    ...recorder,
    world,
    random,
    secrets,
    ada,
    a: machine("a"),
    b: machine("b"),
    c: machine("c"),
    d: machine("d"),
    e: machine("e"),
    items: new Map(),
    mailsSeen: () => world.smtp.mails().length,
    mailSince: (seen, fits) => world.smtp.waitForMail((mail) => world.smtp.mails().indexOf(mail) >= seen && fits(mail)),
    accountUuid: () =>
      textAt(
        rowsIn(serverStore(world.server.folder), "SELECT uuid FROM account WHERE address = ?", ADDRESS)[0],
        "uuid",
      ),
  }
}

// ── small words that the steps' sentences are made of ──

/** Fails with what the command said, unless it ended so. */
export const ended = (run: KfRun, exit: number, ...parts: readonly RegExp[]): void => {
  const said = `${run.stdout}\n${run.stderr}`
  holds(run.exit === exit, `It ended with ${run.exit}, not ${exit}:\n${said}`)
  for (const part of parts) holds(part.test(said), `It did not say ${part}:\n${said}`)
}

export const listOf = async (machine: Machine): Promise<readonly Document[]> => rowsAt(await machine.kf.ask(["ls"]))

export const titlesOf = async (machine: Machine): Promise<readonly string[]> =>
  (await listOf(machine)).map((item) => textAt(item, "title")).toSorted()

/** One item with its secrets. */
export const itemOn = (machine: Machine, id: string): Promise<Document> => machine.kf.ask(["get", id, "--reveal"])

export const fieldOf = (item: Document, name: string): string =>
  textAt(
    rowsAt(item, "fields").find((field) => field["name"] === name),
    "value",
  )

export const idOf = (story: Story, name: string): string => demand(story.items.get(name), `item ${name}`)

/** Three words in another order: two that change places, and are not the same word, as one of a thousand pairs is. */
export const mistyped = (words: string): string => {
  const [x = "", y = "", z = ""] = words.split(" ")
  return [`${y} ${x} ${z}`, `${x} ${z} ${y}`].find((other) => other !== words) ?? `${x} ${y}`
}

/** The six digits that a machine shows while it waits. */
export const codeShown = (run: KfRun): string => {
  const code = textAt(run.document, "code")
  if (!/^\d{6}$/.test(code)) throw new Error(`No code was shown:\n${run.stdout}\n${run.stderr}`)
  return code
}

/** The link in a mail that leads to the page for confirming a device. */
export const confirmLinkOf = (mail: CaughtMail): string =>
  demand(
    mail.links.find((link) => /\/v\/#[\w-]{43}$/.test(link)),
    `link in the mail “${mail.subject}”`,
  )

export const isConfirmMail = (mail: CaughtMail): boolean =>
  mail.to.includes(ADDRESS) && mail.links.some((link) => link.includes("/v/#"))
