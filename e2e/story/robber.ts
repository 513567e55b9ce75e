import { execFile } from "node:child_process"
import { join } from "node:path"
import process from "node:process"

/** What `e2e/foreign/open-disk.mjs` prints. */
export interface RobberReport {
  readonly opened: readonly RobbedRow[]
  readonly closed: readonly { readonly table: string; readonly why: string }[]
  readonly notes: readonly string[]
  readonly epochs: readonly number[]
  readonly asked?: { readonly status: number; readonly code?: string }
}

export interface RobbedRow {
  readonly table: string
  readonly title?: string
  readonly fields?: Readonly<Record<string, string>>
}

const PROGRAM = join(import.meta.dirname, "..", "foreign", "open-disk.mjs")

/** Runs the program that imports none of our code on a copied disk, with the password. */
export const robDisk = (disk: string, password: string, ...options: readonly string[]): Promise<RobberReport> =>
  new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [PROGRAM, "--disk", disk, ...options], (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as RobberReport)
      else reject(error)
    })
    child.stdin?.end(`${password}\n`)
  })

export const titlesIn = (report: RobberReport, table: string): readonly string[] =>
  report.opened
    .filter((row) => row.table === table)
    .flatMap((row) => row.title ?? [])
    .toSorted()
