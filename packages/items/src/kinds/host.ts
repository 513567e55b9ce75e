import { err, ok } from "@keyferry/base"

import { isAddress, isItemId, isPort } from "../checks.ts"
import { fieldProblem } from "../field.ts"
import { defineKind } from "../kind.ts"

/**
 * A machine to connect to. It holds references only: no secret and no user name, so that it may travel where
 * credentials may not. In a team vault its editor chooses whether members use the shared credential or their own.
 */
export const host = defineKind({
  kind: "host",
  label: "Host",
  latest: 1,
  credential: false,
  defaultClass: "standard",
  fields: [
    {
      name: "address",
      label: "Address",
      secret: false,
      required: true,
      input: "token",
      aliases: ["hostname", "ip"],
      check: isAddress,
    },
    { name: "port", label: "Port", secret: false, input: "token", check: isPort },
    {
      name: "credential",
      label: "Credential",
      secret: false,
      input: "token",
      refersTo: ["identity", "login", "ssh-key"],
      check: isItemId,
    },
    {
      name: "credential-choice",
      label: "Credential in a team",
      secret: false,
      input: "token",
      choices: ["shared", "own"],
      hint: "shared: members use the team's credential; own: each member uses one from the personal vault",
    },
    { name: "group", label: "Group", secret: false, input: "token", refersTo: ["group"], check: isItemId },
    { name: "jump-host", label: "Jump host", secret: false, input: "token", refersTo: ["host"], check: isItemId },
    {
      name: "host-keys",
      label: "Host keys",
      secret: false,
      multiline: true,
      hint: "Public keys of the host, one a line; the agent offers the host's key only to these",
    },
  ],
  linkedFields: [
    { name: "user", through: "credential", field: "username" },
    { name: "username", through: "credential", field: "username" },
  ],
  parse: (values) =>
    values["credential-choice"] === "own" && values.credential !== undefined
      ? err(fieldProblem("credential", "own-and-shared"))
      : ok(values),
  summary: (visible) => [visible.address, visible.port].filter(Boolean).join(":"),
  example: {
    title: "Bastion",
    fields: {
      address: "bastion.example.net",
      port: "22",
      credential: "itm_aeaqcaibaeaqcaibaeaqcaibae",
      "credential-choice": "shared",
    },
  },
})
