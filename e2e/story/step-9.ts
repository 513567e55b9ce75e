import { deepEqual, equal, ok } from "node:assert/strict"
import { copyFileSync, existsSync, readdirSync } from "node:fs"
import { join } from "node:path"

import {
  type Canary,
  type CanaryFinding,
  copyDisk,
  createCanarySearch,
  makeCanary,
  startCaptureProxy,
} from "@keyferry/testkit"

import { startLyingServer } from "./lying-server.ts"
import { plantedForms, plantInLog, plantInMail, plantInStore, plantInTraffic } from "./planting.ts"
import { lostFolder } from "./step-8.ts"
import type { Story } from "./story.ts"

/**
 * The canary search first finds its planted control in every encoding and place, then nothing in stores, logs, mails and
 * captured server traffic.
 */
export const stepNine = async (story: Story): Promise<void> => {
  const { check, secrets, world } = story
  const server = `${world.server.folder}-lost`
  const control = makeCanary("control", story.random.fork("control"))
  const forms = plantedForms(control.text)
  const search = createCanarySearch([...secrets.all(), control])
  const isControl = ({ canary }: CanaryFinding): boolean => canary === control.name

  // ── the control, in copies of the places ──
  const storeFiles = ["server.db", "strongroom/strongroom.db", "strongroom/leases.db"]
  for (const file of storeFiles) {
    await check(`the search finds the control in ${file}, in each of ${forms.length} forms`, async () => {
      for (const [n, form] of forms.entries()) {
        const copy = copyDisk(server, join(world.folder, `planted-${n}`)).folder
        deepEqual(search.inPath(copy).findings, [], "before it was planted")
        plantInStore(join(copy, file), form)
        ok(search.inPath(copy).findings.some(isControl), `not found: ${form.form}`)
        await discard(copy)
      }
    })
  }
  await check("in a device's store", async () => {
    const device = join(lostFolder(story), "a")
    for (const [n, form] of forms.entries()) {
      const copy = copyDisk(device, join(world.folder, `planted-${n}`)).folder
      plantInStore(join(copy, "device.db"), form)
      ok(search.inPath(copy).findings.some(isControl), `not found: ${form.form}`)
      await discard(copy)
    }
  })
  await check("in the log", async () => {
    for (const [n, form] of forms.entries()) {
      const copy = join(world.folder, `planted-${n}.log`)
      copyFileSync(world.server.logFile, copy)
      plantInLog(copy, form)
      ok(search.inPath(copy).findings.some(isControl), `not found: ${form.form}`)
      await discard(copy)
    }
  })
  await check("in a mail that went through the mail server", async () => {
    for (const form of forms) {
      await plantInMail(world.smtp.url, form)
      const mail = await world.smtp.waitForMail((one) => one.subject === `control: ${form.form}`)
      ok(search.inBytes(mail.raw, "mail").some(isControl), `not found: ${form.form}`)
    }
  })
  await check("in traffic on a wire", async () => {
    const far = await startLyingServer()
    for (const form of forms) {
      const wire = await startCaptureProxy({ port: far.port })
      await plantInTraffic(wire.url, form)
      ok(search.inBytes(wire.bytes("up"), "traffic").some(isControl), `not found: ${form.form}`)
      await wire.stop()
    }
    far.stop()
  })

  // ── and now what it is for ──
  const canaries = secrets.all()
  await check(`it knows ${canaries.length} secrets: values, titles, names, passwords, kits, seeds`, () => {
    ok(canaries.length >= 35, `there are ${canaries.length}`)
    equal(new Set(canaries.map(({ name }: Canary) => name)).size, canaries.length)
  })
  const nothing = (findings: readonly CanaryFinding[]): void =>
    deepEqual(
      findings.map(({ canary, form, place }) => `${canary} as ${form} in ${place}`),
      [],
    )
  await check(
    "it finds nothing in the stores of server and strongroom, with their logs beside them and names of files",
    () => {
      const { findings, files, sizeBytes } = search.inPath(server)
      nothing(findings)
      ok(files >= 5 && sizeBytes > 500_000, `${files} files, ${sizeBytes} bytes`)
    },
  )
  await check("nothing in what server and strongroom logged", () => {
    const { findings, sizeBytes } = search.inPath(world.server.logFile)
    nothing(findings)
    ok(sizeBytes > 100_000)
  })
  await check("nothing in any mail", () => {
    const mails = world.smtp.mails().filter(({ subject }) => !subject.startsWith("control: "))
    nothing(mails.flatMap((mail) => search.inBytes(mail.raw, `mail “${mail.subject}”`)))
    ok(mails.length >= 10, `${mails.length} mails`)
  })
  await check(
    "nothing in the traffic of any device or browser, in either direction, but the authenticator's seed on its way to Ada",
    () => {
      let sizeBytes = 0
      const found: CanaryFinding[] = []
      for (const { name, wire } of world.captures())
        for (const direction of ["up", "down"] as const) {
          const bytes = wire.bytes(direction)
          sizeBytes += bytes.length
          found.push(...search.inBytes(bytes, `${direction} on the wire of ${name}`))
        }
      const seed = found.filter(({ canary }) => canary === SEED)
      nothing(found.filter(({ canary }) => canary !== SEED))
      deepEqual([...new Set(seed.map(({ place }) => place))], ["down on the wire of a"])
      ok(sizeBytes > 1_000_000, `${sizeBytes} bytes`)
    },
  )
  await check("nothing in the devices' own stores and the logs of their agents, but each device's own name", () => {
    const folders = readdirSync(lostFolder(story)).map((name) => join(lostFolder(story), name))
    const here = world.machines().map(({ kf }) => kf.folder)
    const all = [...folders, ...here].filter((folder) => existsSync(folder))
    const reports = all.map((folder) => search.inPath(folder))
    // Readable while locked, as spec/device-store.md says: server, address, name.
    const isOwnName = ({ canary, place }: CanaryFinding): boolean =>
      /(?:^| )name of /.test(canary) && /device\.db(?:-wal)?$/.test(place)
    nothing(reports.flatMap(({ findings }) => findings).filter((one) => !isOwnName(one)))
    ok(all.length >= 5 && reports.every(({ files }) => files > 0), `${all.length} folders`)
  })
}

const SEED = "seed of the authenticator"

const discard = async (path: string): Promise<void> => {
  const { rm } = await import("node:fs/promises")
  await rm(path, { recursive: true })
}
