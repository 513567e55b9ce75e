import { err, ok } from "@keyferry/base"

import { areUrls, isDate } from "../checks.ts"
import { fieldProblem } from "../field.ts"
import { defineKind } from "../kind.ts"

/** A token for a service's API, with or without an id: AWS access keys are one with an id. */
export const apiToken = defineKind({
  kind: "api-token",
  label: "API token",
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [
    { name: "service", label: "Service", secret: false },
    { name: "id", label: "Id", secret: false, input: "token", aliases: ["access-key-id", "key-id", "client-id"] },
    {
      name: "token",
      label: "Token",
      secret: true,
      required: true,
      multiline: "pem",
      input: "token",
      aliases: ["secret-access-key", "secret", "api-key", "client-secret"],
    },
    { name: "session-token", label: "Session token", secret: true, input: "token" },
    { name: "url", label: "Web address", secret: false, multiline: true, check: areUrls },
    {
      name: "expires-at",
      label: "Expires",
      secret: false,
      input: "token",
      aliases: ["expires", "expiry"],
      check: isDate,
    },
  ],
  parse: (values) =>
    values.id?.startsWith("AKIA") === false && values.token.startsWith("AKIA")
      ? err(fieldProblem("token", "swapped"))
      : ok(values),
  summary: (visible) => [visible.service, visible.id].filter(Boolean).join(" · "),
  example: {
    title: "AWS deploy",
    fields: {
      service: "AWS",
      id: "AKIAIOSFODNN7EXAMPLE",
      token: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      "expires-at": "2030-01-31",
    },
  },
})
