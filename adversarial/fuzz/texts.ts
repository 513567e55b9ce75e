import { equalBytes, utf8ToText } from "@keyferry/base"
import { formatKitCode, makeRecoveryCode, parseKitCode, parseWords, WORDS } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { formatReference, isReference, matchField, matchItem, parseReference } from "@keyferry/items"
import { parseSignature, parseSignatureInput, signatureInput } from "@keyferry/protocol"
import { createSeededRandom } from "@keyferry/testkit"

import { parseDotenv, splitFieldWords } from "../../apps/cli/src/field-input.ts"
import { parseSecretLines } from "../../apps/cli/src/secrets.ts"
import { takeGlobals } from "../../apps/cli/src/settings.ts"
import { describeSettings, readConfig } from "../../apps/server/src/config/config.ts"
import { maskAddress, parseAddress } from "../../apps/server/src/policy/address.ts"
import { makeText } from "./engine/mutate.ts"
import { fileOf, type FuzzTarget, promise, textOf } from "./engine/target.ts"

const random = createSeededRandom("texts")
const code = formatKitCode(p, makeRecoveryCode(random))
const parameters = {
  createdS: 1_800_000_000,
  nonce: "AAAAAAAAAAAAAAAAAAAAAA",
  keyId: "dev_aaaaaaaaaaaaaaaaaaaaaaaaaa",
  tag: "kf1-dev",
} as const
const configText = `${describeSettings().replaceAll(/^# (?=[a-z._]+ = )/gm, "")}\n[mail]\nmode = "off"\n`

export const targets: readonly FuzzTarget[] = [
  {
    name: "kit-text",
    make: makeText(
      [code, code.toLowerCase(), code.replaceAll("-", " ")],
      ["KF1-", "-", "O", "I", "L", "U", "\u2013", "\u2212"],
    ),
    run: (input) => {
      const parsed = parseKitCode(p, textOf(input))
      if (!parsed.ok) return
      const again = parseKitCode(p, formatKitCode(p, parsed.value))
      promise(
        again.ok && equalBytes(again.value.reveal(), parsed.value.reveal()),
        "a code that was read prints as another",
      )
    },
  },
  {
    name: "typed-words",
    make: makeText(
      [WORDS.slice(0, 3).join(" "), WORDS.slice(40, 42).join("-")],
      [...WORDS.slice(0, 20), "-", "\u3000"],
    ),
    run: (input) => {
      const parsed = parseWords(textOf(input), 3)
      if (parsed.ok)
        promise(parsed.value.length === 3 && parsed.value.every((word) => WORDS.includes(word)), "words of no list")
    },
  },
  {
    name: "references",
    make: makeText(
      [
        "kf://Personal/Shop/password",
        "kf://~/Some%20Item/section/field?attribute=otp",
        "kf://id:itm_aaaaaaaaaaaaaaaaaaaaaaaaaa/username?encoding=base64&x=",
      ],
      ["kf://", "id:", "~", "%7E", "%2F", "/", "?", "&", "=", "itm_"],
    ),
    run: (input) => {
      const text = textOf(input)
      isReference(text)
      const parsed = parseReference(text)
      if (!parsed.ok) {
        promise(parsed.error.at >= 0 && parsed.error.at <= Math.max(text.length, 1), "a place outside the text")
        return
      }
      const again = parseReference(formatReference(parsed.value))
      promise(
        again.ok && formatReference(again.value) === formatReference(parsed.value),
        "a reference that prints as another",
      )
      const vaults = [{ id: "v1", name: "Personal" }]
      const items = [{ id: "i1", name: "Shop", vaultId: "v1" }]
      matchItem(parsed.value, vaults, items, "v1")
      matchField(parsed.value, { kind: "login", fields: new Map([["password", { value: "x", secret: true }]]) })
    },
  },
  {
    name: "signature-input",
    make: makeText(
      [signatureInput(true, parameters), signatureInput(false, parameters), `sig1=:${"A".repeat(86)}==:`],
      ["sig1=", "sig2=", '"@method"', ";alg=", ";created=", ";nonce=", ";keyid=", ";tag=", "kf1-lease", ", "],
    ),
    run: (input) => {
      const text = textOf(input)
      for (const hasBody of [true, false]) {
        const parsed = parseSignatureInput(text, hasBody)
        if (parsed.ok) promise(signatureInput(hasBody, parsed.value) === text, "a signature input with a second form")
      }
      const signature = parseSignature(text)
      if (signature.ok) promise(signature.value.length === 64, "a signature of another length")
    },
  },
  {
    name: "addresses",
    make: makeText(
      ["ada@example.com", " Ada.Lovelace+kf@mail.example.org ", "ﬀ@münchen.example"],
      ["@", ".", ">", "<", "\r\n", ","],
    ),
    run: (input) => {
      const parsed = parseAddress(textOf(input))
      maskAddress(textOf(input))
      if (!parsed.ok) return
      const { text, key } = parsed.value
      // Control characters are what is looked for.
      // eslint-disable-next-line no-control-regex
      promise(!/[\u0000-\u001f\u007f<>,]/.test(text), "an address that could start another mail header")
      promise(text.split("@").length === 2 && key.length > 2, "not one mailbox")
      const again = parseAddress(key)
      promise(again.ok && again.value.key === key, "an address whose key has another key")
      const mask = maskAddress(text)
      promise([...mask].length < [...text].length + 6, "a mask that says more than the address")
    },
  },
  {
    name: "server-config",
    make: makeText(
      [configText, 'listen = "localhost:8420"\nregistration = "closed"\n[limits]\ndevices = 3\n'],
      ["[mail]", "=", "[[", "]]", '"', "listen", "2026-01-01", "\\u0000"],
    ),
    run: (input) => {
      const text = textOf(input)
      const read = readConfig({ args: ["--config", "file.toml"], env: {}, readFile: () => text })
      if (read.ok) promise(typeof read.value.values.listen.port === "number", "settings without a port")
      else
        promise(
          read.error.length > 0 && read.error.every((line) => typeof line === "string"),
          "refused without a reason",
        )
    },
  },
  {
    name: "command-line",
    make: makeText(
      [
        "ls --json=title,kind --profile work",
        "read kf://~/Shop/password --no-agent --timeout 5",
        "add login x user=a password=- --secrets-fd 3",
      ],
      ["--", "--json=", "--profile", "--timeout", "--secrets-fd", "=", "../", "-q"],
    ),
    run: (input) => {
      const words = textOf(input).split(" ")
      const taken = takeGlobals(words, { HOME: "/home/somebody", KF_PROFILE: words[0] })
      if (taken.ok)
        promise(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(taken.settings.profile), "a profile that leaves its folder")
      else promise(taken.problem !== "", "refused without a sentence")
      splitFieldWords(words)
    },
  },
  {
    name: "secret-lines",
    make: makeText(
      [
        "password=correct horse\nfield:api-key=x\ncode=123456\n",
        "NAME=value # comment\nexport B='two\nlines'\nC=\"x\\ny\"\n",
      ],
      ["\n", "=", "password=", "field:", "#", "export ", '"', "'", "`"],
    ),
    run: (input) => {
      const file = utf8ToText(fileOf(input)) ?? ""
      const parsed = parseSecretLines(file)
      if (!parsed.ok) promise(!/horse|123456/.test(JSON.stringify(parsed.error)), "a complaint that repeats a secret")
      for (const [name] of parseDotenv(file)) promise(name !== "", "a variable without a name")
    },
  },
]
