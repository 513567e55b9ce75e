import { ok } from "@keyferry/base"
import { opaqueStaticPk } from "@keyferry/crypto"
import type { StrongroomHandlers } from "@keyferry/strongroom-api"

import { confirmCode, confirmDeny, confirmDescribe, confirmFirst, operatorConfirm } from "./accounts/confirmation.ts"
import { deleteAccount } from "./accounts/deletion.ts"
import { enrol, enrolMail, enrolRunning, enrolState } from "./accounts/enrolment.ts"
import { factorReset, operatorResetTwoFactor } from "./accounts/factor-reset.ts"
import { freezeAccount, waitForThaw } from "./accounts/freeze.ts"
import { acceptLossOf, listLosses } from "./accounts/losses.ts"
import { leaseReset, leaseResetWait } from "./accounts/lease-reset.ts"
import { countAccounts, countDevices, listAccounts, readEvents } from "./accounts/listing.ts"
import { loginFinish, loginStart, type LoginStates } from "./accounts/login.ts"
import { passkeyRequest, secondFactorPasskey } from "./accounts/passkey-answer.ts"
import { openFactorKinds, secondFactor } from "./accounts/second-factor.ts"
import { registerStart } from "./accounts/signup.ts"
import type { StrongroomContext } from "./context.ts"
import type { Executor } from "./execute.ts"
import type { LeaseDatabase } from "./lease/store.ts"
import type { KmsProvider } from "./kms/provider.ts"
import type { OpenStrongroom } from "./strongroom.ts"
import type { Verifier } from "./verifier.ts"

export interface CallsOptions {
  readonly ctx: StrongroomContext
  readonly leases: LeaseDatabase
  readonly verifier: Verifier
  readonly executor: Executor
  readonly logins: LoginStates
  readonly kms: Pick<KmsProvider, "health">
  readonly rotateKek: OpenStrongroom["rotateKek"]
}

export const VERSION = "0.1.0"

/** The private contract: one entry for each call of packages/strongroom-api. */
export const createCalls = ({
  ctx,
  leases,
  verifier,
  executor,
  logins,
  kms,
  rotateKek,
}: CallsOptions): StrongroomHandlers =>
  Object.freeze<StrongroomHandlers>({
    hello: async () =>
      ok({
        deploymentId: ctx.deploymentId,
        opaquePk: await opaqueStaticPk(ctx.opaque),
        leaseTokenPk: ctx.leaseTokens.publicKey,
        logId: ctx.logId,
        accounts: await countAccounts(ctx),
        version: VERSION,
      }),
    health: async () => {
      const answers = await kms.health()
      return ok({ kms: answers.ok, store: true, accounts: await countAccounts(ctx), devices: await countDevices(ctx) })
    },
    execute: async ({ request, limits, origins }) => ok(await executor.execute(request, limits, origins)),
    authenticate: async ({ request, origins }) => {
      const verified = await verifier.verify(request, origins)
      if (!verified.ok) return verified
      const { accountUuid, accountId, deviceId, state, lastFactorMs, lastPasswordMs } = verified.value.device
      return ok({ accountUuid, accountId, deviceId, state, lastFactorMs, lastPasswordMs })
    },
    events: (params) => readEvents(ctx, params),
    registerStart: (params) => registerStart(ctx, params),
    loginStart: (params) => loginStart(ctx, logins, params),
    loginFinish: (params) => loginFinish(ctx, logins, params),
    secondFactor: async (params) => {
      const passed = await secondFactor(ctx, params)
      return passed.ok ? ok({}) : passed
    },
    passkeyRequest: (params) => passkeyRequest(ctx, params),
    secondFactorPasskey: async (params) => {
      const passed = await secondFactorPasskey(ctx, params)
      return passed.ok ? ok({}) : passed
    },
    factorReset: (params) => factorReset(ctx, params),
    recoveryStart: async ({ request, origins }) => {
      const verified = await verifier.verifyRecovery(request, origins)
      if (!verified.ok) return verified
      return ok({ ...verified.value, factors: await openFactorKinds(ctx, verified.value.accountUuid) })
    },
    enrol: (params) => enrol(ctx, params),
    enrolMail: (params) => enrolMail(ctx, params),
    enrolRunning: (params) => enrolRunning(ctx, params),
    enrolState: (params) => enrolState(ctx, params),
    confirmDescribe: (params) => confirmDescribe(ctx, params),
    confirmCode: (params) => confirmCode(ctx, params),
    confirmDeny: (params) => confirmDeny(ctx, params),
    confirmFirst: (params) => confirmFirst(ctx, params),
    leaseReset: (params) => leaseReset(ctx, params),
    leaseResetWait: (params) => leaseResetWait(ctx, params),
    freeze: (params) => freezeAccount(ctx, params),
    thawWait: (params) => waitForThaw(ctx, params),
    operatorConfirm: (params) => operatorConfirm(ctx, params),
    operatorResetTwoFactor: (params) => operatorResetTwoFactor(ctx, params),
    accounts: () => listAccounts(ctx),
    losses: () => listLosses(ctx, leases),
    acceptLoss: (params) => acceptLossOf(ctx, leases, params),
    rotateKek: () => rotateKek({ resumeOnly: false }),
    deleteAccount: (params) => deleteAccount(ctx, params),
  })
