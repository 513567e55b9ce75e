import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from "node:fs"
import { join } from "node:path"

export interface DiskCopy {
  readonly folder: string
  readonly files: number
  readonly sizeBytes: number
}

/**
 * Copies a folder as somebody with the disk would: every file with its mode and times, links as links, whatever the owning
 * process thinks of it. Sockets and pipes hold nothing and are left out. Throws if `to` exists.
 */
export const copyDisk = (from: string, to: string): DiskCopy => {
  const stat = lstatSync(from)
  let [files, sizeBytes] = [0, 0]
  mkdirSync(to)
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    const one = lstatSync(source)
    if (one.isDirectory()) {
      const inside = copyDisk(source, target)
      files += inside.files
      sizeBytes += inside.sizeBytes
    } else if (one.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
    else if (one.isFile()) {
      copyFileSync(source, target)
      chmodSync(target, one.mode & 0o7777)
      utimesSync(target, one.atime, one.mtime)
      files += 1
      sizeBytes += one.size
    }
  }
  chmodSync(to, stat.mode & 0o7777)
  utimesSync(to, stat.atime, stat.mtime)
  return { folder: to, files, sizeBytes }
}
