import { ok } from "@keyferry/base"

import { isItemId } from "../checks.ts"
import { defineKind } from "../kind.ts"

/** A folder of hosts, perhaps inside another. */
export const group = defineKind({
  kind: "group",
  label: "Group",
  latest: 1,
  credential: false,
  defaultClass: "standard",
  fields: [
    { name: "parent", label: "Parent group", secret: false, input: "token", refersTo: ["group"], check: isItemId },
    {
      name: "credential",
      label: "Credential for its hosts",
      secret: false,
      input: "token",
      refersTo: ["identity", "login", "ssh-key"],
      check: isItemId,
    },
    { name: "description", label: "Description", secret: false },
  ],
  parse: (values) => ok(values),
  summary: (visible) => visible.description ?? "",
  example: { title: "Production", fields: { description: "Everything that customers see" } },
})
