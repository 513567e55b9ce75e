/*
 * The part of ICU MessageFormat that the catalogues use: `{name}`, `{n, plural, =0 {…} one {…} other {…}}`
 * with `#`, and `{kind, select, a {…} other {…}}`. Two apostrophes are one; `'{'` is a brace.
 */
export type MessagePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "argument"; readonly name: string }
  | { readonly type: "count" }
  | {
      readonly type: "plural" | "select"
      readonly name: string
      readonly options: Readonly<Record<string, readonly MessagePart[]>>
    }

export type Message = readonly MessagePart[]

/** Throws `SyntaxError` with the place for a message that is not well formed; a test parses every catalogue. */
export const parseMessage = (text: string): Message => new MessageReader(text).readWhole()

class MessageReader {
  private at = 0
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  readWhole(): Message {
    const parts = this.readParts(false)
    if (this.at < this.text.length) throw this.wrong("a brace is closed that was not opened")
    return parts
  }

  private readParts(inPlural: boolean): MessagePart[] {
    const parts: MessagePart[] = []
    let plain = ""
    const flush = (): void => {
      if (plain !== "") parts.push({ type: "text", text: plain })
      plain = ""
    }
    while (this.at < this.text.length && this.text[this.at] !== "}") {
      const unit = this.text.charAt(this.at)
      if (unit === "'") plain += this.readQuoted()
      else if (unit === "#" && inPlural) {
        flush()
        parts.push({ type: "count" })
        this.at++
      } else if (unit === "{") {
        flush()
        parts.push(this.readArgument())
      } else {
        plain += unit
        this.at++
      }
    }
    flush()
    return parts
  }

  private readQuoted(): string {
    const next = this.text[this.at + 1]
    if (next === "'") {
      this.at += 2
      return "'"
    }
    if (next !== "{" && next !== "}" && next !== "#") {
      this.at++
      return "'"
    }
    const end = this.text.indexOf("'", this.at + 1)
    if (end < 0) throw this.wrong("a quote is not closed")
    const quoted = this.text.slice(this.at + 1, end)
    this.at = end + 1
    return quoted
  }

  private readArgument(): MessagePart {
    this.at++
    const name = this.readWord()
    if (this.takes("}")) return { type: "argument", name }
    this.expect(",")
    const kind = this.readWord()
    if (kind !== "plural" && kind !== "select") throw this.wrong(`"${kind}" is not a form that is used here`)
    this.expect(",")
    const options: Record<string, MessagePart[]> = {}
    while (!this.takes("}")) {
      const option = this.readWord()
      this.expect("{")
      options[option] = this.readParts(kind === "plural")
      this.expect("}")
    }
    if (options["other"] === undefined) throw this.wrong("there is no option for everything else")
    return { type: kind, name, options }
  }

  private readWord(): string {
    this.skipSpace()
    const from = this.at
    while (this.at < this.text.length && !/[\s,{}]/.test(this.text.charAt(this.at))) this.at++
    if (this.at === from) throw this.wrong("a name is missing")
    return this.text.slice(from, this.at)
  }

  private takes(unit: string): boolean {
    this.skipSpace()
    if (this.text[this.at] !== unit) return false
    this.at++
    return true
  }

  private expect(unit: string): void {
    if (!this.takes(unit)) throw this.wrong(`"${unit}" is missing`)
  }

  private skipSpace(): void {
    while (/\s/.test(this.text.charAt(this.at))) this.at++
  }

  private wrong(why: string): SyntaxError {
    return new SyntaxError(`${why}, at ${this.at} of: ${this.text}`)
  }
}

export interface Formats {
  readonly plural: (n: number) => string
  readonly number: (n: number) => string
  /** Keeps what a person wrote from turning the sentence around it. */
  readonly isolate: (text: string) => string
}

export type Arguments = Readonly<Record<string, string | number>>

/** The text of a message with its arguments in place. */
export const formatMessage = (message: Message, args: Arguments, formats: Formats, count = 0): string =>
  message
    .map((part) => {
      switch (part.type) {
        case "text":
          return part.text
        case "count":
          return formats.number(count)
        case "argument": {
          const value = args[part.name]
          // A forgotten argument is seen, on screen and by the test that looks for braces.
          if (value === undefined) return `{${part.name}}`
          return typeof value === "number" ? formats.number(value) : formats.isolate(value)
        }
        case "select":
          return formatMessage(option(part, String(args[part.name])), args, formats, count)
        case "plural": {
          const n = Number(args[part.name])
          return formatMessage(part.options[`=${n}`] ?? option(part, formats.plural(n)), args, formats, n)
        }
      }
    })
    .join("")

const option = (part: Extract<MessagePart, { readonly options: unknown }>, name: string): Message =>
  part.options[name] ?? part.options["other"] ?? []
