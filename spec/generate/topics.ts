import { aead } from "./aead.ts"
import { approval } from "./approval.ts"
import { cbor } from "./cbor.ts"
import { keys } from "./keys.ts"
import { kit } from "./kit.ts"
import { lease } from "./lease.ts"
import { link } from "./link.ts"
import { outer } from "./outer.ts"
import { passkey } from "./passkey.ts"
import { padding } from "./padding.ts"
import { publicTopics } from "./public.ts"
import { record } from "./record.ts"
import { rescue } from "./rescue.ts"
import { session } from "./session.ts"
import { signature } from "./signature.ts"
import { slot } from "./slot.ts"
import { trie } from "./trie.ts"
import type { Topic } from "./vector.ts"
import { wrap } from "./wrap.ts"

/** Every folder of `spec/vectors` has its topic here. */
export const TOPICS: readonly Topic[] = [
  aead,
  approval,
  cbor,
  keys,
  kit,
  lease,
  link,
  outer,
  padding,
  passkey,
  record,
  rescue,
  session,
  signature,
  slot,
  trie,
  wrap,
  ...publicTopics,
]
