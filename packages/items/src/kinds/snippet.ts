import { ok } from "@keyferry/base"

import { defineKind } from "../kind.ts"

/** A command or script to run on hosts. Not a credential: it syncs even where credentials do not. */
export const snippet = defineKind({
  kind: "snippet",
  label: "Snippet",
  latest: 1,
  credential: false,
  defaultClass: "standard",
  fields: [
    { name: "script", label: "Script", secret: false, required: true, multiline: true, aliases: ["command", "text"] },
    { name: "description", label: "Description", secret: false },
  ],
  parse: (values) => ok(values),
  summary: (visible) => visible.description ?? visible.script?.split("\n")[0]?.slice(0, 80) ?? "",
  example: { title: "Disk use", fields: { script: "df -h /\ndu -sh /var/log\n", description: "What fills the disk" } },
})
