import { createInterface } from "node:readline"
import process from "node:process"

import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { usage } from "./failures.ts"

/** Asks a person. Questions are on stderr, so that stdout stays the answer. Ctrl-C ends the command with 130. */
export interface Prompter {
  readonly text: (question: string, preset?: string) => Promise<Result<string, Failure>>
  readonly hidden: (question: string) => Promise<Result<string, Failure>>
  readonly confirm: (question: string, preset: boolean) => Promise<Result<boolean, Failure>>
  /** Gives the index of the chosen line. */
  readonly choose: (question: string, choices: readonly string[], preset?: number) => Promise<Result<number, Failure>>
  readonly show: (line: string) => void
}

const MAX_TRIES = 20

export const createPrompter = (onInterrupt: () => never): Prompter => {
  const show = (line: string): void => void process.stderr.write(`${line}\n`)

  const text = (question: string, preset?: string): Promise<Result<string, Failure>> =>
    new Promise((resolve) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true })
      let answered = false
      reader.once("SIGINT", () => {
        reader.close()
        process.stderr.write("\n")
        onInterrupt()
      })
      reader.once("close", () => {
        if (!answered) resolve(err(usage("The input ended before an answer.")))
      })
      reader.question(`${question}${preset === undefined || preset === "" ? "" : ` [${preset}]`} `, (answer) => {
        answered = true
        reader.close()
        resolve(ok(answer === "" ? (preset ?? "") : answer))
      })
    })

  const confirm = async (question: string, preset: boolean): Promise<Result<boolean, Failure>> => {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const answer = await text(`${question} (${preset ? "Y/n" : "y/N"})`)
      if (!answer.ok) return answer
      const word = answer.value.trim().toLowerCase()
      if (word === "") return ok(preset)
      if (word === "y" || word === "yes") return ok(true)
      if (word === "n" || word === "no") return ok(false)
      show("Answer y or n.")
    }
    return err(usage("No answer was understood."))
  }

  const choose = async (question: string, choices: readonly string[], preset = 0): Promise<Result<number, Failure>> => {
    show(question)
    for (const [index, choice] of choices.entries()) show(`  ${index + 1}  ${choice}`)
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const answer = await text("Number:", String(preset + 1))
      if (!answer.ok) return answer
      const number = Number(answer.value.trim())
      if (Number.isInteger(number) && number >= 1 && number <= choices.length) return ok(number - 1)
      show(`Answer with a number from 1 to ${choices.length}.`)
    }
    return err(usage("No answer was understood."))
  }

  return Object.freeze({ text, hidden: (question: string) => readHidden(question, onInterrupt), confirm, choose, show })
}

/** One line typed without echo. Handles paste, backspace, Ctrl-U; Ctrl-D on an empty line ends the input. */
const readHidden = (question: string, onInterrupt: () => never): Promise<Result<string, Failure>> =>
  new Promise((resolve) => {
    const { stdin, stderr } = process
    let typed: string[] = []
    stdin.setEncoding("utf8")
    // Before the question is there to be answered: what is typed at once must not be echoed either.
    stdin.setRawMode(true)
    stdin.resume()
    stderr.write(`${question} `)
    const finish = (result: Result<string, Failure>, rest = ""): void => {
      stdin.off("data", onData)
      stdin.off("end", onEnd)
      stdin.setRawMode(false)
      stdin.pause()
      // What was pasted behind the line answers the next question.
      if (rest !== "") stdin.unshift(rest, "utf8")
      stderr.write("\n")
      resolve(result)
    }
    const onEnd = (): void => finish(err(usage("The input ended before an answer.")))
    const onData = (chunk: string): void => {
      // Terminals wrap a paste in these where an editor asked for it before us.
      const text = chunk.replaceAll("\u001b[200~", "").replaceAll("\u001b[201~", "")
      let at = 0
      for (const character of text) {
        at += character.length
        if (character === "\r" || character === "\n") return finish(ok(typed.join("")), text.slice(at))
        if (character === "\u0003") {
          finish(ok(""))
          onInterrupt()
        }
        if (character === "\u0004" && typed.length === 0) return onEnd()
        if (character === "\u007f" || character === "\b") typed.pop()
        else if (character === "\u0015") typed = []
        else if (character >= " ") typed.push(character)
      }
    }
    stdin.on("data", onData)
    stdin.once("end", onEnd)
  })
