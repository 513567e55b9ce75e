import { join } from "node:path"

import { nodePrimitives as primitives } from "@keyferry/crypto/node"
import { openStore } from "@keyferry/store"

import { createDataKeys } from "./data-keys.ts"
import { random } from "./fixture.ts"
import { crashing } from "./fixture-crash.ts"
import { rotateMainKek, usedKeks } from "./kek-rotation.ts"
import { readDeploymentIds } from "./key-material.ts"
import { openMainKek } from "./kms/main-kek.ts"
import type { KekRotation } from "./kms/provider.ts"
import { mainMigrations } from "./store/migrations.ts"
import type { MainTables } from "./store/tables.ts"

/*
 * A process that dies in the middle of a rotation of the outer layer's key, for kek-rotation.test.ts. It is started by that
 * test, with the folder of a strongroom that is closed and the step at which it kills itself.
 */
const { folder, dieAt } = crashing(["before-next", "after-next", "after-one", "before-destroy", "after-destroy"])

const clock = { nowMs: () => Date.now() }
const opened = await openStore<MainTables>({
  url: `sqlite:${join(folder, "strongroom.db")}`,
  migrations: mainMigrations,
  name: "strongroom",
  clock,
})
if (!opened.ok) throw new Error(opened.error.code)
const store = opened.value
const { deploymentId } = await readDeploymentIds(store, random)
const kms = openMainKek({
  primitives,
  random,
  path: join(folder, "main.kek"),
  mayCreate: false,
  used: await usedKeks(store),
})
if (!kms.ok) throw new Error(kms.error.code)
let rewraps = 0
const { rotation } = kms.value
const dying: KekRotation = {
  ...rotation,
  makeNext: () => {
    dieAt("before-next")
    const made = rotation.makeNext()
    dieAt("after-next")
    return made
  },
  rewrap: async (...parts) => {
    if (rewraps++ === 1) dieAt("after-one")
    return rotation.rewrap(...parts)
  },
  destroyOlder: async () => {
    dieAt("before-destroy")
    await rotation.destroyOlder()
    dieAt("after-destroy")
  },
}
const dataKeys = createDataKeys({ store, kms: kms.value, primitives, clock, random, deploymentId })
await rotateMainKek({ store, kms: kms.value, rotation: dying, dataKeys }, { resumeOnly: false })
