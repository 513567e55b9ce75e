import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import { FAKE_KIT } from "../test/fake-keyferry.ts"
import { run } from "../test/run-fake.ts"

test("the kit goes to a file instead of the screen when asked", async () => {
  const checked = await run(
    ["kit", "--check", "--secrets-stdin"],
    { checkKit: async (code) => (code === FAKE_KIT.code ? ok(undefined) : err(failure("kit-code-wrong"))) },
    {
      stdin: `kit=${FAKE_KIT.code}\n`,
    },
  )
  expect(checked.exit).toBe(0)
  expect(checked.stdout).not.toContain(FAKE_KIT.code)
})
