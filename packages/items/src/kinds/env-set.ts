import { err, ok } from "@keyferry/base"

import { fieldProblem } from "../field.ts"
import { defineKind } from "../kind.ts"

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The variables of a `.env` file in their order. Every field is a variable; each value is secret. */
export const envSet = defineKind({
  kind: "env-set",
  label: "Environment set",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [],
  customField: (name) => ({ name, label: name, secret: true, multiline: true, input: "exact" }),
  parse: (_values, fields) => {
    for (const name of fields.keys())
      if (!VARIABLE_NAME.test(name)) return err(fieldProblem(name, "not-a-variable-name"))
    return ok(new Map([...fields].map(([name, field]) => [name, field.value])))
  },
  summary: (_visible, fields) => {
    const names = [...fields.keys()]
    return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ")
  },
  example: {
    title: "web/.env",
    fields: { DATABASE_URL: "postgres://app:not-a-secret@db.example.net/app", MODE: "production" },
  },
})
