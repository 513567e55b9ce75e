/*
 * A device is removed while others, and it too, have edits on their way. Whoever holds the removed device knows every key
 * up to then, so nothing may be stored under those keys once the removal was acknowledged.
 *
 *   accountEpoch   epoch of the account's key; a removal starts a new one
 *   wrappedTo      account epoch that the vault's key is wrapped to; a rotation brings it up
 *
 * Holds: after the acknowledgement no item is committed by the removed device, and none under a key that it knows.
 *
 * without NO_CHECK_AT_COMMIT: state and epoch looked at when the push arrives, not in the transaction that stores it
 * without TWO_TRANSACTIONS: the device's state and the new account epoch change one after the other
 *
 * Source: spec/sync.md, "Push"; spec/chains.md CH32; apps/strongroom/src/vaults/push.ts
 */
#define REMOVED 0
#define OTHER 1

bool active_[2] = true;
byte accountEpoch = 1;
byte wrappedTo = 1;
bool acknowledged = false;
byte stored = 0;

#define MAY_WRITE(d, e) (active_[d] && e == accountEpoch && wrappedTo == accountEpoch)

/* What is written is sealed under the key that was current when the writer read. */
inline commit(d, e) {
  assert(!acknowledged || (d != REMOVED && e > 1));
  stored = stored + 1
}

proctype Writer(byte device) {
  byte epoch;
  byte tries = 0;
  do
  :: tries == 2 -> break
  :: tries < 2 ->
    tries = tries + 1;
    epoch = wrappedTo;
#ifdef NO_CHECK_AT_COMMIT
    if
    :: MAY_WRITE(device, epoch) -> commit(device, epoch)
    :: else -> skip
    fi
#else
    atomic {
      if
      :: MAY_WRITE(device, epoch) -> commit(device, epoch)
      :: else -> skip
      fi
    }
#endif
  od
}

proctype Remover() {
#ifdef TWO_TRANSACTIONS
  atomic { active_[REMOVED] = false; acknowledged = true };
  accountEpoch = accountEpoch + 1;
#else
  atomic { active_[REMOVED] = false; accountEpoch = accountEpoch + 1; acknowledged = true };
#endif
  /* The vault follows in a transaction of its own; until then nobody writes there. */
  wrappedTo = accountEpoch
}

init {
  atomic {
    run Writer(REMOVED);
    run Writer(OTHER);
    run Remover()
  }
}
