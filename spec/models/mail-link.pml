/*
 * The mailed link of a device that waits. The mail holds a token, the device shows a code; a mail scanner follows every
 * link and presses every button, a thief reads the mailbox, the person types the code, says "not me", or is too late.
 *
 * Holds: without the code nobody confirms anything; a device is confirmed at most once, and never after it was denied or
 * had expired; a thief has at most TRIES guesses.
 *
 * without NO_CODE: the token alone confirms
 * without READ_THEN_WRITE: what is read decides about a later write, instead of one conditional update
 *
 * Source: spec/devices.md DV10-DV13; apps/strongroom/src/accounts/confirmation.ts
 */
#define TRIES 2

mtype = { open, verified, denied, expired, dead };

mtype link = open;
byte tries = 0;
byte confirmations = 0;
bool isOver = false;
byte guesses = 0;

inline confirm(knowsCode) {
  assert(knowsCode);
  assert(!isOver);
  link = verified;
  confirmations = confirmations + 1;
  assert(confirmations == 1)
}

inline miss() {
  tries = tries + 1;
  guesses = guesses + 1;
  assert(guesses <= TRIES);
  if
  :: tries >= TRIES -> link = dead
  :: else -> skip
  fi
}

inline post(knowsCode) {
#ifdef NO_CODE
  atomic {
    if
    :: link == open && tries < TRIES -> confirm(knowsCode)
    :: else -> skip
    fi
  }
#else
#ifdef READ_THEN_WRITE
  seen = link;
  if
  :: seen == open && knowsCode -> confirm(knowsCode)
  :: seen == open && !knowsCode -> miss()
  :: else -> skip
  fi
#else
  atomic {
    if
    :: link == open && tries < TRIES && knowsCode -> confirm(knowsCode)
    :: link == open && tries < TRIES && !knowsCode -> miss()
    :: else -> skip
    fi
  }
#endif
#endif
}

/*
 * A person knows the code and may press twice, or in two windows. A scanner, or somebody who reads the mailbox, has the
 * token only, and guesses.
 */
proctype Post(bool knowsCode) {
  mtype seen;
  post(knowsCode)
}

proctype NotMe() {
  atomic {
    if
    :: link == open -> link = denied; isOver = true
    :: else -> skip
    fi
  }
}

proctype Time() {
  atomic {
    if
    :: link == open -> link = expired; isOver = true
    :: else -> skip
    fi
  }
}

init {
  atomic {
    run Post(true);
    run Post(true);
    run Post(false);
    run Post(false);
    run Post(false);
    run NotMe();
    run Time()
  }
}
