import { ok } from "@keyferry/base"

import { isItemId } from "../checks.ts"
import { defineKind } from "../kind.ts"

/** Who one is on hosts: a user name with a password, an SSH key, or both. Hosts refer to it. */
export const identity = defineKind({
  kind: "identity",
  label: "Identity",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [
    { name: "username", label: "User name", secret: false, required: true, input: "token", aliases: ["user"] },
    { name: "password", label: "Password", secret: true, input: "exact", aliases: ["pass"] },
    {
      name: "key",
      label: "SSH key",
      secret: false,
      input: "token",
      aliases: ["ssh-key"],
      refersTo: ["ssh-key"],
      check: isItemId,
    },
  ],
  parse: (values) => ok(values),
  summary: (visible) => visible.username ?? "",
  example: {
    title: "Deploy",
    fields: { username: "deploy", password: "not-a-real-password", key: "itm_aeaqcaibaeaqcaibaeaqcaibae" },
  },
})
