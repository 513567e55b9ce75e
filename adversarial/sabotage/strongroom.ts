import type { Sabotage } from "./definition.ts"

const CONFIRMATION = "apps/strongroom/src/accounts/confirmation.ts"
const VERIFIER = "apps/strongroom/src/verifier.ts"
const CHECK = "apps/strongroom/src/signature-check.ts"
const LEASE_STORE = "apps/strongroom/src/lease/store.ts"
const PUSH = "apps/strongroom/src/vaults/push.ts"
const APPEND = "apps/strongroom/src/vaults/append.ts"
const ENROLMENT_TEST = "apps/strongroom/src/accounts/enrolment.test.ts"
const VERIFIER_TEST = "apps/strongroom/src/verifier.test.ts"
const LEASE_TEST = "apps/strongroom/src/lease/lease.test.ts"
const PUSH_REFUSALS_TEST = "apps/strongroom/src/vaults/push-refusals.test.ts"
const REMOVAL_TEST = "apps/strongroom/src/vaults/append-removal.test.ts"
const APPEND_TEST = "apps/strongroom/src/vaults/append.test.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "lease-transaction-b",
    protects: "a removal or freeze while the key was being used leaves the device without an answer",
    changes: [
      {
        file: LEASE_STORE,
        search: "      const still = mayEvaluate(row, leaseId)\n      if (!still.ok) return still\n      const serial",
        replace: "      const serial",
      },
    ],
    killer: { file: LEASE_TEST, title: "[LS5] a removal between reading the key and answering discards the answer" },
    fast: true,
  },
  {
    name: "lease-count",
    protects: "ten guesses at a password, and no more",
    changes: [
      {
        file: LEASE_STORE,
        search: '      if (row.attempts >= MAX_ATTEMPTS) return err({ code: "lease-locked" })\n',
        replace: "",
      },
    ],
    killer: { file: LEASE_TEST, title: "[LS4] the eleventh in a row is refused" },
  },
  {
    name: "lease-counted-first",
    protects: "an evaluation is counted before it is made",
    changes: [
      {
        file: LEASE_STORE,
        search: "      await updateLease(tx, deviceId, { attempts: row.attempts + 1, evaluations: attempt })\n",
        replace: "      await updateLease(tx, deviceId, { evaluations: attempt })\n",
      },
    ],
    killer: { file: LEASE_TEST, title: "[LS3] is counted before anything is evaluated" },
  },
  {
    name: "lease-key-destroyed",
    protects: "the lease key of a removed device is gone for ever",
    changes: [
      {
        file: "apps/strongroom/src/lease/rows.ts",
        search: '  updateLease(tx, deviceId, { state: "dead", sealed: null, reserved_until_ms: 0 })',
        replace: '  updateLease(tx, deviceId, { state: "dead", reserved_until_ms: 0 })',
      },
    ],
    killer: { file: LEASE_TEST, title: "[LS10] nothing of the sealed lease key is left" },
  },
  {
    name: "typed-code",
    protects: "a mailed link confirms nothing without the code that the device shows",
    changes: [{ file: CONFIRMATION, search: '            .where("device.code", "=", digits)\n', replace: "" }],
    killer: { file: ENROLMENT_TEST, title: "[DV11] five wrong codes end a link" },
    fast: true,
  },
  {
    name: "conditional-update",
    protects: "a link confirms once, however many come at the same moment, and never after it ended",
    changes: [
      {
        file: CONFIRMATION,
        search:
          '      .where("state", "=", "open")\n      .where("expires_ms", ">", nowMs)\n      .where("tries", "<", CODE_TRIES)\n',
        replace: "",
      },
      {
        file: CONFIRMATION,
        search: '            .where("device.state", "in", ["pending", "pending-first"])\n',
        replace: "",
      },
    ],
    killer: { file: ENROLMENT_TEST, title: "[DV10] link and code together confirm once" },
    fast: true,
  },
  {
    name: "code-used-once",
    protects: "a code of the second factor is good once, also for two at the same moment",
    changes: [
      {
        file: "apps/strongroom/src/accounts/second-factor.ts",
        search: '    .where("last_step", "<", step)\n',
        replace: "",
      },
    ],
    killer: {
      file: "apps/strongroom/src/accounts/two-factor.test.ts",
      title: "[DV14] of requests with one code at the same time, exactly one passes",
    },
  },
  {
    name: "row-lock",
    protects: "count-then-insert keeps its limit where several connections write",
    changes: [
      {
        file: "packages/store/src/store.ts",
        search: '(dialect === "postgres" ? query.forUpdate() : query)',
        replace: "query",
      },
    ],
    killer: { tool: "tools/conformance.ts", says: "postgres: count-then-insert under a row lock keeps its limit" },
    fast: true,
  },
  {
    name: "device-limit-under-lock",
    protects: "the plan's number of devices is counted in the transaction that adds one",
    changes: [
      {
        file: "apps/strongroom/src/accounts/enrolment.ts",
        search: "    const overLimit = await deviceLimitReached(tx, accountUuid, limits.devices)\n",
        replace:
          "    const overLimit = await deviceLimitReached(tx, accountUuid, limits.devices === 0 ? 0 : limits.devices + 9)\n",
      },
    ],
    killer: { file: ENROLMENT_TEST, title: "[DV9] counts the devices in the chain against the plan" },
    fast: true,
  },
  {
    name: "nonce-set",
    protects: "a signed request is carried out once",
    changes: [
      {
        file: VERIFIER,
        search: '      case "seen":\n        return { code: "replay-rejected" }\n',
        replace: '      case "seen":\n        return undefined\n',
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT6] a nonce is taken once" },
    fast: true,
  },
  {
    name: "own-verification-of-requests",
    protects: "the strongroom itself checks who signed, whatever the server says",
    changes: [
      {
        file: VERIFIER,
        search:
          '    if (!(await isSigned(primitives, parsed.value, row.auth_pk))) return err({ code: "signature-invalid" })\n',
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT7] verifies under the key of the device named" },
    fast: true,
  },
  {
    name: "own-verification-of-links",
    protects: "the strongroom itself verifies every link that it stores",
    changes: [
      {
        file: PUSH,
        search: "  if (!step.ok) return refused(productCode(step.error))\n",
        replace: "  if (!step.ok) return resultOf(push, PUSH_ACCEPTED, head)\n",
      },
    ],
    killer: {
      file: PUSH_REFUSALS_TEST,
      title: "[SY63] a link of another device, a wrong root and a wrong revision are refused",
    },
    fast: true,
  },
  {
    name: "state-in-the-transaction",
    protects: "a push in flight while its device is removed is refused at the commit",
    // Either of the two refuses a removed device: its row, and the chain as of now.
    changes: [
      { file: PUSH, search: '  if (deviceState !== "active") return err(codeOfState(deviceState))\n', replace: "" },
      {
        file: "packages/chain/src/vault-rules.ts",
        search: "  if (signer === undefined || isGone)\n",
        replace: "  if (signer === undefined || (isGone && seenSeq < 0))\n",
      },
      {
        file: "packages/chain/src/vault-chain.ts",
        search:
          "    if (atCommit && isRotationDue(state, signer.value.account)) return rotationDue(state)\n    return applyItems",
        replace: "    return applyItems",
      },
    ],
    killer: {
      file: REMOVAL_TEST,
      title: "[SY64] a push in flight while its device is removed is refused at the commit",
    },
  },
  {
    name: "vault-of-the-account",
    protects: "somebody else's vault is not there",
    changes: [
      {
        file: PUSH,
        search: '  if (stored !== undefined && vault === undefined) return refused("vault-not-found")\n',
        replace: "  if (stored !== undefined && vault === undefined) return resultOf(push, PUSH_ACCEPTED, head)\n",
      },
    ],
    killer: { file: PUSH_REFUSALS_TEST, title: "[SY63] somebody else's vault is not there" },
  },
  {
    name: "device-states",
    protects: "a device in the wrong state is refused with its own code",
    changes: [
      {
        file: VERIFIER,
        search: "  if (!rule.states.includes(state)) return refusalOfState(state, row)\n",
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[ST5] every state answers each refused route" },
  },
  {
    name: "freeze-in-the-lease-store",
    protects: "a freeze holds in the lease store before it is answered, also after a kill",
    changes: [
      {
        file: "apps/strongroom/src/accounts/freeze.ts",
        search: "  await ctx.leases.setFrozen(devices, true)\n",
        replace: "",
      },
    ],
    killer: {
      file: "apps/strongroom/src/accounts/freeze.test.ts",
      title: "after-lease: both stores say the same after the start",
    },
  },
  {
    name: "thaw-needs-the-factor",
    protects: "a device without a fresh second factor thaws nothing",
    changes: [
      {
        file: "packages/protocol/src/routes.ts",
        search:
          '  "account.thaw": route("POST", "/account/thaw", "device", "strongroom", "json", { fresh: "factor" }),\n',
        replace: '  "account.thaw": route("POST", "/account/thaw", "device", "strongroom", "json"),\n',
      },
    ],
    killer: {
      file: "apps/strongroom/src/accounts/freeze.test.ts",
      title: "[DV23] needs a second factor within five minutes",
    },
  },
  {
    name: "frozen-account",
    protects: "a frozen account only looks and leaves",
    changes: [
      {
        file: VERIFIER,
        search: '  if (row.frozen === 1 && !WHILE_FROZEN.has(route)) return { code: "account-frozen" }\n',
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[ST5] a frozen account may look and leave" },
  },
  {
    name: "fresh-factor",
    protects: "what asks for a fresh factor is refused without one",
    changes: [
      {
        file: VERIFIER,
        search:
          '  if (rule.fresh !== "none" && nowMs - row.last_factor_ms > FRESH_MS) return { code: "second-factor-needed" }\n',
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT9] asks for a fresh factor and password" },
  },
  {
    name: "request-digest",
    protects: "the body that is carried out is the one that was signed",
    changes: [
      {
        file: CHECK,
        search:
          '    if (body.contentDigest !== contentDigest(p.sha256(request.body))) return err({ code: "signature-invalid" })\n',
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT2] the digest is over the raw body" },
  },
  {
    name: "request-authority",
    protects: "a request signed for another server is refused here",
    changes: [
      {
        file: CHECK,
        search: '  if (!isOurAuthority(request.authority, origins)) return err({ code: "signature-invalid" })\n',
        replace: "",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT3] the authority is a configured origin's" },
  },
  {
    name: "request-time",
    protects: "a request from before this process started, or of another minute, is refused",
    changes: [
      {
        file: CHECK,
        search: "  if (!isNow || createdS * 1000 < time.startedAtMs)\n",
        replace: "  if (!isNow)\n",
      },
    ],
    killer: { file: VERIFIER_TEST, title: "[HT4] is of this minute and of this process" },
  },
  {
    name: "dead-keys",
    protects: "keys of a removed or rejected device never enrol again",
    changes: [
      {
        file: "apps/strongroom/src/accounts/devices.ts",
        search: '    if (await leases.isBuried(what, id)) return { code: "holder-reused" }\n',
        replace: '    if ((await leases.isBuried(what, id)) && id.length === 0) return { code: "holder-reused" }\n',
      },
    ],
    killer: { file: ENROLMENT_TEST, title: "[DV7] keys of an ended device are refused in any mixture" },
  },
  {
    name: "old-password-record",
    protects: "a password record that was replaced never comes back",
    changes: [
      {
        file: "apps/strongroom/src/accounts/opaque-records.ts",
        search:
          '  if (await ctx.leases.isBuried("opaque-record", p.sha256(record))) return err({ code: "holder-reused" })\n',
        replace: "",
      },
    ],
    killer: {
      file: "apps/strongroom/src/accounts/login.test.ts",
      title: "[ST18] a new record replaces the one that was read",
    },
  },
  {
    name: "one-append-wins",
    protects: "of two devices that append at once exactly one wins",
    changes: [
      {
        file: APPEND,
        search:
          "  if (seq !== state.head.seq + 1 || !equalBytes(prev, state.head.hash)) return linked(PUSH_CONFLICT, state.head)\n",
        replace:
          "  if (seq !== state.head.seq + 1 || !equalBytes(prev, state.head.hash)) return linked(PUSH_ACCEPTED, state.head)\n",
      },
    ],
    killer: { file: APPEND_TEST, title: "[SY80] of two devices that append at once exactly one wins" },
  },
  {
    name: "factor-tries",
    protects: "wrong codes are counted, and lock",
    changes: [
      {
        file: "apps/strongroom/src/accounts/second-factor.ts",
        search: "    if (row !== undefined && row.locked_until_ms > nowMs)\n      return",
        replace: "    if (row !== undefined && row.locked_until_ms > nowMs && row.tries < 0)\n      return",
      },
    ],
    killer: { file: "apps/strongroom/src/accounts/two-factor.test.ts", title: "[DV15] five lock for 15 minutes" },
  },
  {
    name: "notices-in-order",
    protects: "the stream of a removed device ends before any later commit is published",
    changes: [
      {
        file: "apps/server/src/feed/feed.ts",
        search: '      for (const deviceId of closed) endDevice(bytesToHex(deviceId), "closed")\n',
        replace: "",
      },
    ],
    killer: {
      file: "apps/server/src/http/feed.test.ts",
      title: "ends the streams of a removed device before any later commit",
    },
  },
  {
    name: "head-of-a-fork",
    protects: "a chain that grew past the head it does not hold is behind at every start",
    changes: [{ file: LEASE_STORE, search: "heads.filter((head) => !isBehind(head))", replace: "heads" }],
    killer: {
      file: "apps/strongroom/src/lease/heads.test.ts",
      title: "when it is longer and does not hold the head kept for it",
    },
  },
  {
    name: "buried-at-the-start",
    protects: "a removed device is not active again because the main store was restored",
    changes: [
      { file: "apps/strongroom/src/lease/reconcile.ts", search: "  await keepBuried(ctx, leases)\n", replace: "" },
    ],
    killer: {
      file: "apps/strongroom/src/lease/reconcile.test.ts",
      title: "a device that a restored store knows as active and that was certainly removed",
    },
  },
]
