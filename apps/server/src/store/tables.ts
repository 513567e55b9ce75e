import type { Reader, Store, Transaction } from "@keyferry/store"

/** Rows of the server's store: who, never what. Times are milliseconds since 1970, flags 0 or 1. */
export interface Tables {
  account: {
    uuid: string
    /** Known once the chain exists. */
    account_id: Uint8Array | null
    address: string
    /** What is compared: see policy/address.ts. */
    address_key: string
    confirmed: number
    operator: number
    /** The device that signed up; an unconfirmed account goes on only there. */
    first_device: Uint8Array
    /** Hash of the invitation that this account came by. */
    invitation: Uint8Array | null
    created_ms: number
    seen_ms: number
  }
  device: { device_id: Uint8Array; account_uuid: string; state: string; changed_ms: number }
  session: {
    token_hash: Uint8Array
    account_uuid: string
    account_id: Uint8Array
    level: number
    /** The auth key that signed in; null for recovery by kit. */
    auth_pk: Uint8Array | null
    device_id: Uint8Array | null
    idle_ms: number
    created_ms: number
    used_ms: number
    ends_ms: number
  }
  invitation: {
    token_hash: Uint8Array
    first: number
    created_ms: number
    expires_ms: number
    claimed_by: string | null
    claimed_until_ms: number
    used_ms: number | null
  }
  mail: {
    id: string
    account_uuid: string | null
    template: string
    recipient: string
    /** JSON of the template's fields; emptied once the mail has left. */
    fields: string
    state: string
    tries: number
    next_ms: number
    created_ms: number
    done_ms: number | null
  }
  dev_mail: { id: string; recipient: string; subject: string; body: string; created_ms: number }
  audit: {
    n: number
    at_ms: number
    account_uuid: string | null
    kind: string
    device_id: Uint8Array | null
    detail: string | null
  }
  relay: {
    account_uuid: string
    device_id: Uint8Array
    n: number
    sender: string
    body: Uint8Array
    created_ms: number
  }
  address_change: {
    token_hash: Uint8Array
    account_uuid: string
    address: string
    address_key: string
    expires_ms: number
  }
  /** The link of a security mail, which can freeze the account and nothing else. */
  freeze_link: { token_hash: Uint8Array; account_uuid: string; expires_ms: number }
  limiter: { bucket: string; points: number; ends_ms: number }
  idempotency: {
    account_uuid: string
    request_key: string
    fingerprint: Uint8Array
    reply: string
    created_ms: number
  }
  /** One row: how far the strongroom's events have been applied. */
  progress: { id: number; log_id: Uint8Array; n: number }
  secret: { name: string; value: Uint8Array }
}

export type Db = Reader<Tables>
export type Tx = Transaction<Tables>
export type ServerStore = Store<Tables>
