/*
 * A plan allows LIMIT devices. Several sign up at the same moment while one is removed.
 * Holds: there are never more than LIMIT.
 *
 * without NO_LOCK: counting and inserting without the account's row lock lets two in where one has room
 *
 * Source: spec/devices.md, "Limits"; the lock is `lockAccount` of apps/strongroom/src/changes.ts
 */
#define LIMIT 2
#define APPLICANTS 3

byte devices = 1;
bool locked = false;
byte refused = 0;

inline lock() {
#ifndef NO_LOCK
  atomic { !locked -> locked = true }
#else
  skip
#endif
}

inline unlock() {
#ifndef NO_LOCK
  locked = false
#else
  skip
#endif
}

active [APPLICANTS] proctype Enrol() {
  byte counted;
  lock();
  counted = devices;
  if
  :: counted < LIMIT ->
    devices = devices + 1;
    assert(devices <= LIMIT)
  :: else -> refused = refused + 1
  fi;
  unlock()
}

active proctype Remove() {
  lock();
  devices = devices - 1;
  unlock()
}
