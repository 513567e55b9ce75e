import { type Failure, failure } from "@keyferry/protocol"

export type RegistrationMode = "open" | "invite" | "closed"

export interface InvitationState {
  readonly first: boolean
  readonly expiresMs: number
  readonly used: boolean
}

/**
 * Says why nobody may sign up this way, or nothing. The first account needs its own one-time link; afterwards the mode
 * decides. `invitation` is undefined when none was given or it is unknown.
 */
export const refuseSignup = (
  mode: RegistrationMode,
  accounts: number,
  given: boolean,
  invitation: InvitationState | undefined,
  nowMs: number,
): Failure | undefined => {
  if (given) {
    if (invitation === undefined || invitation.used || invitation.expiresMs <= nowMs)
      return failure("invitation-invalid")
    if (invitation.first) return accounts === 0 ? undefined : failure("invitation-invalid")
    return mode === "closed" ? failure("registration-closed") : undefined
  }
  return mode === "open" && accounts > 0 ? undefined : failure("registration-closed")
}
