/**
 * `npm run reset [-- --yes]`: deletes the data folder of this checkout, after naming what is in it.
 * Exit codes: 0 deleted or nothing there, 1 in use, 9 not confirmed.
 */
import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline/promises"
import { lockFolder } from "../packages/store/src/folder-lock.ts"
import { DATA_FOLDER } from "./become.ts"

const NOT_CONFIRMED = 9
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const list = (folder: string): readonly { readonly name: string; readonly sizeBytes: number }[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => ({ name, stat: lstatSync(join(folder, name)) }))
    .filter(({ stat }) => !stat.isDirectory())
    .map(({ name, stat }) => ({ name, sizeBytes: stat.size }))

const confirmed = async (): Promise<boolean> => {
  if (process.argv.includes("--yes")) return true
  if (!process.stdin.isTTY) {
    print("Nothing was deleted: there is no terminal to ask; repeat with --yes.")
    return false
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question('Type "delete" to delete them for ever: ')
  terminal.close()
  if (answer.trim() === "delete") return true
  print("Nothing was deleted.")
  return false
}

const reset = async (): Promise<number> => {
  if (!existsSync(DATA_FOLDER)) {
    print(`There is nothing to delete: ${DATA_FOLDER} does not exist.`)
    return 0
  }
  // A folder that is not ours would be deleted just as thoroughly.
  if (!existsSync(join(DATA_FOLDER, "server.db"))) {
    print(`Nothing was deleted: ${DATA_FOLDER} holds no server.db, so it is not a data folder of Keyferry.`)
    return 1
  }
  const lock = lockFolder(DATA_FOLDER, "npm run reset")
  if (!lock.ok) {
    print(`Nothing was deleted: ${DATA_FOLDER} is in use by: ${lock.error.holder}`)
    return 1
  }
  const files = list(DATA_FOLDER)
  print(`All accounts, devices and sealed items of this server are in ${DATA_FOLDER}:`)
  for (const { name, sizeBytes } of files) print(`  ${name}  ${sizeBytes} bytes`)
  if (!(await confirmed())) {
    lock.value.release()
    return NOT_CONFIRMED
  }
  rmSync(DATA_FOLDER, { recursive: true })
  lock.value.release()
  print(`deleted ${files.length} files`)
  return 0
}

process.exitCode = await reset()
