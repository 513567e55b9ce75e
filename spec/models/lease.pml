/*
 * Evaluations of one device's lease key, against its removal, a freeze and each other. Transaction A counts the attempt and
 * reads the key, the work happens outside any transaction, transaction B decides whether there is an answer.
 *
 * Holds: no answer is given to a removed device or a frozen account, and there are never more than LIMIT answers
 * between two proofs that the password was right.
 *
 * without NO_B: the answer goes out because A allowed it
 * without COUNT_AFTER: the attempt is counted when the answer is given, not when the key is read
 *
 * Source: spec/leases.md LS3-LS6; apps/strongroom/src/lease/evaluate.ts
 */
#define LIMIT 2
#define CLIENTS 3

bool live = true;
bool frozen = false;
byte attempts = 0;
byte answersSinceProof = 0;
byte refusals = 0;

inline answer() {
  assert(live);
  assert(!frozen);
  answersSinceProof = answersSinceProof + 1;
  assert(answersSinceProof <= LIMIT)
}

active [CLIENTS] proctype Evaluate() {
  bool mayGoOn;
  atomic {
    mayGoOn = live && !frozen && attempts < LIMIT;
#ifndef COUNT_AFTER
    if
    :: mayGoOn -> attempts = attempts + 1
    :: else -> skip
    fi
#endif
  }
  if
  :: mayGoOn ->
    /* The evaluation itself: takes milliseconds, holds no lock. */
    skip;
    atomic {
#ifdef NO_B
      answer()
#else
      if
      :: live && !frozen -> answer()
      :: else -> refusals = refusals + 1
      fi
#endif
#ifdef COUNT_AFTER
      ; attempts = attempts + 1
#endif
    }
  :: else -> refusals = refusals + 1
  fi
}

/* One of the answers was for the right password, and the device proves it. */
active proctype Prove() {
  if
  :: atomic { live && answersSinceProof > 0 -> attempts = 0; answersSinceProof = 0 }
  :: !live -> skip
  :: timeout -> skip
  fi
}

active proctype Remove() {
  live = false
}

active proctype Freeze() {
  frozen = true;
  frozen = false
}
