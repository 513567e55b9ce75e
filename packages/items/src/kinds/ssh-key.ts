import { ok } from "@keyferry/base"

import { isPrivateKeyText, isPublicKeyText } from "../checks.ts"
import { defineKind } from "../kind.ts"

/** An SSH private key. Its text keeps every line break; the public key and the fingerprint are shown. */
export const sshKey = defineKind({
  kind: "ssh-key",
  label: "SSH key",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [
    {
      name: "private-key",
      label: "Private key",
      secret: true,
      required: true,
      multiline: "pem",
      aliases: ["private", "key"],
      check: isPrivateKeyText,
    },
    { name: "public-key", label: "Public key", secret: false, aliases: ["public"], check: isPublicKeyText },
    { name: "passphrase", label: "Passphrase", secret: true, input: "exact" },
    {
      name: "fingerprint",
      label: "Fingerprint",
      secret: false,
      input: "token",
      check: (value) => (/^SHA256:[A-Za-z0-9+/]{43}$/.test(value) ? undefined : "not-a-public-key"),
    },
    { name: "comment", label: "Comment", secret: false },
  ],
  parse: (values) => ok(values),
  summary: (visible) =>
    [visible.comment ?? commentOf(visible["public-key"]), visible.fingerprint].filter(Boolean).join(" · "),
  example: {
    title: "Deploy key",
    fields: {
      // Shaped like a key, holding only the words "not a real key".
      "private-key": "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEgcmVhbCBrZXk=\n-----END OPENSSH PRIVATE KEY-----\n",
      "public-key":
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER deploy@example.com",
      fingerprint: "SHA256:B8x8aR1FCsVUn01Hgc9nVYUDqSXXNBbd2ICKZVMFXpM",
      comment: "deploy@example.com",
    },
  },
})

const commentOf = (publicKey: string | undefined): string => publicKey?.split(" ").slice(2).join(" ") ?? ""
