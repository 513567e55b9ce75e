import { ok } from "@keyferry/base"

import { defineKind } from "../kind.ts"

/** Text that must stay private: recovery codes, answers, instructions. */
export const note = defineKind({
  kind: "note",
  label: "Note",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [
    {
      name: "text",
      label: "Text",
      secret: true,
      required: true,
      multiline: true,
      input: "exact",
      aliases: ["note", "body"],
    },
  ],
  parse: (values) => ok(values),
  summary: () => "",
  example: { title: "Recovery codes", fields: { text: "1111-2222\n3333-4444\n" } },
})
