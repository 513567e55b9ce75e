import { err, ok, type Result } from "@keyferry/base"
import {
  exchangeById,
  type FieldSpec,
  findFieldSpec,
  type Kind,
  kindByName,
  kinds,
  suggestExchanges,
  toExchangeId,
} from "@keyferry/items"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption, listOption, type OptionValues, textOption } from "../command.ts"
import { type Context, unlockNow } from "../context.ts"
import { usage } from "../failures.ts"
import { refuseMainWallet, warnOfWithdrawal } from "../exchange-keys.ts"
import { cleanFields, type FieldEntry, parseDotenv, readFieldEntries, splitFieldWords } from "../field-input.ts"
import type { ItemInput, Keyferry } from "../keyferry.ts"
import { printable } from "../io.ts"
import { freshKeyFields, SSH_KEY_TYPES, toSshKeyType, withPublicHalf } from "../ssh-fields.ts"
import type { Prompter } from "../prompt.ts"
import { CUSTODY, itemDocument } from "../views.ts"

export const command: CommandSpec = {
  name: "add",
  summary: "add an item; the first one makes this device's vault",
  args: "[kind] [words...]",
  options: [
    { flags: "--title <text>", text: "title, if it is not the word after the kind" },
    { flags: "--tag <tag>", text: "a tag; may be repeated", repeat: true },
    { flags: "--local", text: "keep it on this device only" },
    { flags: "--synced", text: "sync it, whatever the setting for new items is" },
    {
      flags: "--class <class>",
      text: "strict: opens only while the server answers; standard: also offline for a while",
      choices: ["strict", "standard"],
    },
    { flags: "--generate <type>", text: "an SSH key that is made here", choices: SSH_KEY_TYPES },
    {
      flags: "--from-stdin",
      text: "the main value from stdin: a note's text, a private key, the lines of a .env file",
    },
  ],
  more: [
    `Kinds: ${kinds.map((kind) => kind.kind).join(", ")}`,
    "Words: the title, then fields as name=value. A secret field is name=- (stdin), name=@FILE, or left out to be asked.",
    '  kf add exchange-key "Bybit main" exchange=bybit key=AbCd',
    "  kf add ssh-key deploy private-key=@~/.ssh/id_ed25519",
    "  kf add env-set web --from-stdin < .env",
  ],
  run: async (context, args, options) => {
    const [kindName, ...words] = args
    const chosen = kindName === undefined ? await askKind(context) : ok(kindByName(kindName))
    if (!chosen.ok) return chosen
    const kind = chosen.value
    if (kind === undefined) return err(usage(`There is no such kind. Kinds: ${kinds.map((k) => k.kind).join(", ")}.`))
    if (flagOption(options, "local") && flagOption(options, "synced"))
      return err(usage("--local and --synced exclude each other."))
    const input = await gatherInput(context, kind, words, options)
    if (!input.ok) return input
    const keyferry = await openOrCreate(context)
    if (!keyferry.ok) return keyferry
    const added = await keyferry.value.add(input.value)
    if (!added.ok) return added
    warnOfWithdrawal(context, [added.value])
    context.io.answer({ schema: "kf.item/1", ...itemDocument(added.value) }, [
      `Added “${printable(added.value.title)}” (${added.value.id}), ${CUSTODY[added.value.custody]}.`,
    ])
    return ok("done")
  },
}

const askKind = async (context: Context): Promise<Result<Kind | undefined, Failure>> => {
  if (context.prompter === undefined)
    return err(failure("needs-terminal", `Say what to add. Kinds: ${kinds.map((kind) => kind.kind).join(", ")}.`))
  const index = await context.prompter.choose(
    "What do you want to add?",
    kinds.map((kind) => kind.label),
    kinds.findIndex((kind) => kind.kind === "exchange-key"),
  )
  return index.ok ? ok(kinds[index.value]) : index
}

/** Opens the vault, or makes one with a new password where the profile has none. */
export const openOrCreate = async (context: Context): Promise<Result<Keyferry, Failure>> => {
  const connected = await context.connect()
  if (!connected.ok) return connected
  const { keyferry } = connected.value
  const status = await keyferry.status()
  if (status.lock === "unlocked" || status.lock === "standard-only") return ok(keyferry)
  if (status.lock === "locked") {
    const unlocked = await unlockNow(context, keyferry)
    return unlocked.ok ? ok(keyferry) : unlocked
  }
  if (context.prompter !== undefined && context.settings.secrets === undefined) {
    context.io.warn(
      "This device has no vault yet. Choose a password for it: it opens the vault here, and nobody can reset it.",
    )
  }
  const personTypes = context.prompter !== undefined && context.settings.secrets === undefined
  for (;;) {
    const password = await context.secrets.ask("password", {
      prompt: "New password of this device's vault:",
      twice: true,
      missing: failure("needs-terminal", "A new vault needs a password: pass it with --password-stdin."),
    })
    if (!password.ok) return password
    const created = await keyferry.createLocal(password.value)
    if (created.ok) break
    // What was typed before is not lost to a short password: the question comes again.
    if (!personTypes || created.error.code !== "password-too-weak") return created
    context.io.fail(created.error)
  }
  context.io.say("The vault was made. It is on this device only; kf signup or kf login connects it to an account.")
  return ok(keyferry)
}

const gatherInput = async (
  context: Context,
  kind: Kind,
  words: readonly string[],
  options: OptionValues,
): Promise<Result<ItemInput, Failure>> => {
  const { plain, entries } = splitFieldWords(words)
  if (plain.length > 1)
    return err(usage("Only one word can be the title; put it in quotes, and write fields as name=value."))
  const read = readFieldEntries(
    context,
    kind,
    entries.filter(([name]) => name !== "title"),
  )
  if (!read.ok) return read
  let fields = read.value
  if (flagOption(options, "fromStdin")) {
    const main = fieldsFromStdin(context, kind)
    if (!main.ok) return main
    fields = [...fields, ...main.value]
  }
  const titleGiven = textOption(options, "title") ?? plain[0] ?? entries.find(([name]) => name === "title")?.[1]
  const made = toSshKeyType(textOption(options, "generate"))
  if (made !== undefined) {
    if (kind.kind !== "ssh-key") return err(usage("--generate makes SSH keys; kf gen makes passwords."))
    const fresh = freshKeyFields(made, fields, titleGiven ?? "")
    if (!fresh.ok) return fresh
    fields = fresh.value
  }
  const asked = await askMissing(context, kind, fields)
  if (!asked.ok) return asked
  const cleaned = cleanFields(
    context,
    kind,
    kind.kind === "ssh-key" ? withPublicHalf(context, asked.value) : asked.value,
  )
  if (!cleaned.ok) return cleaned
  const agent = await refuseMainWallet(
    kind.kind,
    Object.fromEntries(cleaned.value.map((field) => [field.name, field.value])),
  )
  if (!agent.ok) return agent
  const title = titleGiven ?? (await askTitle(context, kind, asked.value))
  if (typeof title !== "string") return title
  if (title.trim() === "") return err(usage("The title is empty."))
  const vault = context.settings.vault
  return ok({
    kind: kind.kind,
    title: title.trim(),
    fields: cleaned.value,
    tags: listOption(options, "tag"),
    ...(vault === undefined ? {} : { vault }),
    ...(flagOption(options, "local")
      ? { policy: "local-only" }
      : flagOption(options, "synced")
        ? { policy: "synced" }
        : {}),
    ...classOf(options),
  })
}

export const classOf = (options: OptionValues): { readonly class?: "strict" | "standard" } => {
  const chosen = textOption(options, "class")
  return chosen === "strict" || chosen === "standard" ? { class: chosen } : {}
}

const askTitle = async (
  context: Context,
  kind: Kind,
  fields: readonly FieldEntry[],
): Promise<string | Result<never, Failure>> => {
  const first =
    fields.find(
      ([name]) => name === "exchange" || name === "service" || name === "address" || name === "username",
    )?.[1] ?? ""
  if (context.prompter === undefined) return err(usage(`A title is missing: kf add ${kind.kind} TITLE …`))
  const title = await context.prompter.text("Title:", first)
  return title.ok ? title.value : title
}

const MAIN_FIELD: Readonly<Record<string, string>> = { note: "text", snippet: "script", "ssh-key": "private-key" }

const fieldsFromStdin = (context: Context, kind: Kind): Result<readonly FieldEntry[], Failure> => {
  const text = context.secrets.stdin("--from-stdin")
  if (!text.ok) return text
  const main = MAIN_FIELD[kind.kind]
  if (main !== undefined) return ok([[main, text.value]])
  if (kind.kind === "env-set") return ok(parseDotenv(text.value))
  const { plain, entries } = splitFieldWords(text.value.split(/\r?\n/).filter((line) => line !== ""))
  return plain.length === 0 ? ok(entries) : err(usage("Stdin must have one name=value a line for this kind."))
}

/** Asks for what the kind needs and was not given: required fields, and secret ones that a person would have. */
const askMissing = async (
  context: Context,
  kind: Kind,
  given: readonly FieldEntry[],
): Promise<Result<readonly FieldEntry[], Failure>> => {
  const { prompter } = context
  let fields = given
  const known = (): Record<string, string> => Object.fromEntries(fields)
  const has = (spec: FieldSpec): boolean => fields.some(([name]) => findFieldSpec([spec], name) !== undefined)
  const asked = new Set<string>()
  for (;;) {
    const next = kind
      .fieldsFor(known())
      .find((spec) => !has(spec) && !asked.has(spec.name) && isAsked(kind, spec, known()))
    if (next === undefined) return ok(fields)
    asked.add(next.name)
    if (prompter === undefined) {
      const secret = context.secrets.given(`field:${next.name}`)
      if (!secret.ok) return secret
      if (secret.value !== undefined) fields = [...fields, [next.name, secret.value]]
      else if (next.required === true) {
        return err(
          failure(
            "needs-terminal",
            `The field “${next.name}” is missing: pass ${next.name}=${next.secret ? "- or @FILE" : "…"}.`,
          ),
        )
      }
      continue
    }
    const optional = next.required === true ? "" : " (Enter for none)"
    if (next.hint !== undefined) prompter.show(`  ${next.hint}`)
    const answer =
      next.multiline === true || next.multiline === "pem"
        ? await askLines(context, next, optional)
        : next.secret
          ? await prompter.hidden(`${next.label}${optional}:`)
          : await prompter.text(
              `${next.label}${next.choices === undefined ? "" : ` (${next.choices.join(", ")})`}${optional}:`,
            )
    if (!answer.ok) return answer
    const value = next.name === "exchange" ? await knownExchange(prompter, answer.value) : answer
    if (!value.ok) return value
    if (value.value !== "") fields = [...fields, [next.name, value.value]]
  }
}

/** "Binance main" is no exchange, and Binance may be meant: its fields are asked for only if that is said. */
const knownExchange = async (prompter: Prompter, typed: string): Promise<Result<string, Failure>> => {
  const id = toExchangeId(typed.trim())
  if (exchangeById(id) !== undefined) return ok(id)
  const near = suggestExchanges(typed)
  if (near.length > 0) {
    const choices = [...near.map(({ name }) => name), `None of these: ${printable(typed)}`]
    const index = await prompter.choose("Which exchange is it?", choices)
    if (!index.ok) return index
    const meant = near[index.value]
    if (meant !== undefined) return ok(meant.id)
  }
  prompter.show("  This exchange is not in the catalogue; give the fields that it shows you.")
  return ok(typed)
}

/** Optional extras are not asked for: a form of fourteen questions is no prompt. */
const isAsked = (kind: Kind, spec: FieldSpec, known: Readonly<Record<string, string>>): boolean => {
  if (spec.required === true) return true
  if (kind.kind === "exchange-key")
    return (
      !kind.fieldsFor(known).some((other) => other.required === true && other.name !== "exchange") &&
      ["key", "secret", "passphrase"].includes(spec.name)
    )
  return ["username", "password", "url", "service", "port", "credential"].includes(spec.name)
}

const askLines = async (context: Context, spec: FieldSpec, optional: string): Promise<Result<string, Failure>> => {
  const { prompter } = context
  if (prompter === undefined) return err(failure("needs-terminal"))
  const one = await (spec.secret ? prompter.hidden : prompter.text)(`${spec.label}, or @FILE for a file${optional}:`)
  if (!one.ok || !one.value.startsWith("@")) return one
  const { readTextFile } = await import("../field-input.ts")
  return readTextFile(one.value.slice(1).replace(/^~(?=\/)/, context.env["HOME"] ?? "~"))
}
