/*
 * Spin model of how copies of one bucket come, go and hand over, as src/core/replication and src/core/cluster do it. protocol.pml is the
 * older and simpler one, of epochs, fences and leases; this one has the agreed log, in which changes of the in-sync set do not raise the
 * epoch, proposals that come late, streams instead of datagrams, and the making of a copy.
 *
 * STATES. The agreed map's line of the bucket (epoch, master, inSync, syncing, target; copyNo is the number of the last assignment) is
 * changed by entries whose conditions are checked as cluster-map.ts and map-strike.ts do. Each of the MAXR entries leaves a line in `log`;
 * node i has applied log[at[i]] and nothing later, so that every node lags as it likes, and may skip to the last line (a snapshot).
 *
 *   role[i]   IDLE -> WAITING (for the others to agree, rule R5) -> SERVING -> HANDING (parked, the move proposed)
 *   copy[i]   EMPTY -> PARTIAL (SYNC_BEGIN came) -> WHOLE (SYNC_END came); KEPT: differs from the new master's, and takes nothing
 *   stage[i]  of the copy that master i makes for to[i]: 0 not begun, 1 SYNC_BEGIN sent, 2 SYNC_END sent, 3 that was acknowledged: the
 *             receiver counts, 4 what was sent before it counted was acknowledged too: proposed as in-sync
 *
 * A client's write is one bit, its seq the number of bits. `acked` are the writes that were acknowledged or read by a client: what must
 * never be lost. `fence`, `reign`, `pend` (who has not agreed), `diff` (who differs), `keep` (keepFrom of replica.ts) as in the code.
 *
 * CHANNELS. link[i to j] is the stream of link.ts: in order, without loss, as slow as it likes, empty when a process dies. Answers are not
 * messages: an acknowledgement, agreement or refusal that is on its way is a message that was not executed yet.
 *
 * ABSTRACTED. Raft is the order of the log. What must happen early to do harm happens at once (`settle`: an acknowledgement that is
 * possible is given, and seen by a client), so that no later one need be tried. A lease lasts as long as it may (`floor[i]`: node i has
 * none before it applied that line): until the leader has declared its holder down, or a new master has waited for it. Proposals `addOf`
 * and `moveTo` may come true at any time after they were made, and again; one to remove a copy may be made at any time, for any reason. An
 * image is what the bucket was at SYNC_BEGIN. Broken streams, `up`, `removed` and expiry are left out. A node dies at most once.
 *
 * CHECKED in every state (`Monitor`): each living member of the agreed in-sync set has a whole copy with everything in `acked`, so that any
 * one of them is enough; who answers reads has everything in `acked`. And when a copy agrees with a new master, they are equal.
 *
 * RUN, with -DMOVES (targets and moves) and -DCOPIES (assignments) saying which entries there may be:
 *   spin -a FLAGS handoff.pml && gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000
 *   FLAGS                                                what happens                            states  time
 *   -DMOVES -DINSYNC0=7 -DMAXR=4                         handoffs among three copies          1,387,093  11 s
 *   -DMOVES -DMAXR=5 -DMAXW=2                            ... between two copies, longer         344,147   2 s
 *   -DCOPIES -DSYNCING0=2 -DMAXR=3                       a third copy is made                   843,818   8 s
 *   -DCOPIES -DSYNCING0=2 -DMAXR=4 -DONESTEP             ... longer                           2,468,947  30 s
 *   -DCOPIES -DMOVES -DINSYNC0=1 -DSYNCING0=2 -DMAXR=3   a second copy, which becomes master    411,916   4 s
 * with one write and one crash where nothing else is said; errors: 0. Times are of one core that others use as
 * well. State vector 324 to 332 bytes, depth below 60, up to 650 MB of memory.
 *
 * PLANTED BUGS, one for each rule; the last four are no inventions: the model found them in the code, which has been mended since as the
 * model says.
 *   BUG_EARLYCOUNT   proposed at the end of the image: changes acknowledged without it may be on their way
 *   BUG_LATECOUNT    counts only when the map says in-sync      BUG_EARLYSHRINK  does not count before the map says out-of-sync
 *   BUG_KEEPSEAT     a process that starts anew is not struck   BUG_NOAGREE      a new master serves before the others agreed
 *   BUG_NOWAIT       one that was taken out unasked may still hold a lease, and is not waited for
 *   BUG_OLDDROP      an older line of the log throws away a copy that was begun by one who knew more
 *   BUG_LATEADD      a late proposal to add a copy counts for a newer copy that was assigned to the same node
 *   BUG_SNAPSHOT     who learns by a snapshot that a copy was assigned again goes on with the old one
 *   BUG_REFENCE      who is told of a newer epoch forgets it, and older lines of the log make it master again
 *   BUG_FORGET       a copy that differs from the new master's is thrown away before the map says that it is out
 */
#define N 3
#ifndef MAXR
#define MAXR 3 /* entries of the log */
#endif
#ifndef MAXW
#define MAXW 1 /* writes */
#endif
#ifndef MAXC
#define MAXC 1 /* crashes */
#endif
#define MAXE 3
#define QUEUE 4
#define NONE 3
#ifndef INSYNC0
#define INSYNC0 3
#endif
#ifndef SYNCING0
#define SYNCING0 NONE
#endif
#ifdef MOVES
#define MAY_MOVE true
#else
#define MAY_MOVE false
#endif
#ifdef COPIES
#define MAY_COPY true
#else
#define MAY_COPY false
#endif

#define B(x) (1 << (x))
#define P(x) (((x) + 1) % N)
#define Q(x) (((x) + 2) % N)

/* ---- the agreed map */

byte epoch = 1, master = 0, inSync = INSYNC0, syncing = SYNCING0, target = NONE, copyNo = 0, down = 0;
byte addOf = 0, moveTo = 0; /* proposed by the present master: node + 1 */
byte incs = 0; /* incarnations: a bit for each node */
byte rev = 0;
int log[MAXR + 1];

#define FLAG_DOWN (1 << 17)
#define LINE \
  (epoch | (master << 2) | (inSync << 4) | (syncing << 7) | (target << 9) | (incs << 11) | (copyNo << 14))
#define EPOCH(line) ((line) & 3)
#define MASTER(line) (((line) >> 2) & 3)
#define INSYNC(line) (((line) >> 4) & 7)
#define SYNCING(line) (((line) >> 7) & 3)
#define TARGET(line) (((line) >> 9) & 3)
#define INCS(line) (((line) >> 11) & 7)
#define COPYNO(line) (((line) >> 14) & 7)

/* ---- the nodes */

#define EMPTY 0
#define PARTIAL 1
#define KEPT 2
#define WHOLE 3

#define IDLE 0
#define WAITING 1
#define SERVING 2
#define HANDING 3

byte at[N], copy[N], has[N], pos[N], fence[N], keep[N], floor[N];
byte reign[N], role[N], pend[N], diff[N], wait[N], waitRev[N], mine[N], to[N], stage[N], before[N];
byte dead = 0, acked = 0, writes = 0, crashes = 0;

mtype = {BEGIN, END, RECORD, AGREE};
chan link[6] = [QUEUE] of {mtype, byte, byte, byte}; /* kind, epoch, two arguments */
#define L(i, j) link[(i) * 2 + ((j) > (i) -> (j) - 1 : (j))]

/* scratch, 0 between steps */
hidden byte each, some, withEpoch, first, second;
hidden int line, lineBefore;
hidden mtype kind;

#define VIEW(i) log[at[i]]
#define UP(i) (!(dead & B(i)))
#define KNOWS(i, j) (((INCS(VIEW(i)) ^ incs) & B(j)) == 0)
#define REACHES(i, j) (UP(j) && KNOWS(i, j))
#define HAS_LEASE(i) (at[i] >= floor[i])
#define SEQ(bits) (((bits) & 1) + (((bits) >> 1) & 1))

#ifdef BUG_EARLYSHRINK
byte shrunk[N];
#define LEFT_OUT(i) shrunk[i]
#else
#define LEFT_OUT(i) 0
#endif
#ifdef BUG_LATECOUNT
#define ADDING(i) 0
#else
#define ADDING(i) (stage[i] >= 3 -> B(to[i]) : 0)
#endif
#ifdef BUG_EARLYCOUNT
#define ON_ITS_WAY(i) 0
#else
#define ON_ITS_WAY(i) len(L(i, to[i]))
#endif
#ifdef BUG_LATEADD
#define IS_SAME_COPY(i) true
#else
#define IS_SAME_COPY(i) (syncing == to[i] && COPYNO(VIEW(i)) == copyNo)
#endif

/* Who holds up acknowledgements: at least the committed in-sync set. */
#define REQUIRED(i) (((INSYNC(VIEW(i)) & ~B(i) & ~LEFT_OUT(i)) | ADDING(i)) & 7)
#define GETS_RECORDS(i) (REQUIRED(i) | (stage[i] >= 1 -> B(to[i]) : 0))
#define CLEAN1(i, j) (!(REQUIRED(i) & B(j)) || (REACHES(i, j) && len(L(i, j)) == 0 && !(diff[i] & B(j))))
#define CLEAN(i) (CLEAN1(i, P(i)) && CLEAN1(i, Q(i)))

/* Lines that everybody has applied are forgotten: that they differed makes no difference any more. */
inline trim() {
  some = rev;
  for (each : 0 .. N - 1) { if :: UP(each) && at[each] < some -> some = at[each] :: else fi };
  each = 0;
  do :: each < some -> log[each] = 0; each++ :: else -> break od;
  each = 0; some = 0
}

inline record(flags) { rev++; log[rev] = LINE | flags; trim() }

inline send(x, y, type, u, v) { if :: REACHES(x, y) -> L(x, y)!type, reign[x], u, v :: else fi }

inline forget(x) { copy[x] = EMPTY; has[x] = 0; pos[x] = 0; keep[x] = 0 }

inline resign(x) {
  reign[x] = 0; role[x] = IDLE; pend[x] = 0; diff[x] = 0; wait[x] = 0; waitRev[x] = 0;
  mine[x] = 0; to[x] = NONE; stage[x] = 0; before[x] = 0;
#ifdef BUG_EARLYSHRINK
  shrunk[x] = 0
#endif
}

/* What became possible for a master happens. */
inline settle(x) {
  if
  :: role[x] == WAITING && !pend[x] ->
     role[x] = SERVING;
     for (each : 0 .. N - 1) {
       if
       :: (wait[x] & B(each)) && at[each] < waitRev[x] && floor[each] < waitRev[x] -> floor[each] = waitRev[x]
       :: else
       fi
     };
     each = 0; wait[x] = 0; waitRev[x] = 0
  :: else
  fi;
  if
  :: reign[x] && CLEAN(x) ->
     acked = acked | mine[x]; mine[x] = 0;
     if :: role[x] == SERVING && HAS_LEASE(x) -> acked = acked | has[x] :: else fi
  :: else
  fi;
  if :: stage[x] == 2 && !before[x] -> stage[x] = 3; before[x] = ON_ITS_WAY(x) :: else fi;
  if
  :: stage[x] == 3 && !before[x] ->
     stage[x] = 4;
     if :: reign[x] == epoch && IS_SAME_COPY(x) -> addOf = to[x] + 1 :: else fi
  :: else
  fi
}

inline ask(x, y) { if :: (pend[x] & B(y)) -> send(x, y, AGREE, SEQ(has[x]), pos[x]) :: else fi }

inline become(x) {
  resign(x);
  reign[x] = EPOCH(line); role[x] = WAITING;
  if
  :: copy[x] < KEPT -> pend[x] = B(x) /* never served as empty */
  :: else ->
     copy[x] = WHOLE;
#ifndef BUG_NOAGREE
     pend[x] = INSYNC(line) & ~B(x);
#endif
     ask(x, P(x)); ask(x, Q(x));
     pos[x] = EPOCH(line);
     to[x] = SYNCING(line)
  fi
}

#ifdef BUG_SNAPSHOT
#define IS_OTHER_COPY(x) (to[x] != SYNCING(line))
#else
#define IS_OTHER_COPY(x) (to[x] != SYNCING(line) || COPYNO(lineBefore) != COPYNO(line))
#endif

inline follow(x) {
  some = pend[x] & ~INSYNC(line) & ~B(x);
  pend[x] = pend[x] & ~some;
  some = some & ~diff[x];
  diff[x] = diff[x] & INSYNC(line);
#ifndef BUG_NOWAIT
  if :: some && !(line & FLAG_DOWN) -> wait[x] = wait[x] | some; waitRev[x] = at[x] :: else fi;
#endif
  some = 0;
  if :: IS_OTHER_COPY(x) -> to[x] = SYNCING(line); stage[x] = 0; before[x] = 0 :: else fi;
  if :: role[x] == HANDING && TARGET(line) != TARGET(lineBefore) -> role[x] = SERVING :: else fi;
#ifdef BUG_EARLYSHRINK
  shrunk[x] = shrunk[x] & INSYNC(line)
#endif
}

#ifdef BUG_OLDDROP
#define IS_MEANT(x) true
#else
#define IS_MEANT(x) (at[x] >= keep[x])
#endif

/* Node x applies a line: the next one, or by a snapshot the last. */
inline apply(x, index, flags) {
  lineBefore = VIEW(x);
  at[x] = index;
  line = VIEW(x) & flags;
  if :: floor[x] <= at[x] -> floor[x] = 0 :: else fi;
  if
  :: !KNOWS(x, x) -> resign(x) /* the seat of the process that ran before */
  :: KNOWS(x, x) && EPOCH(line) < fence[x] -> skip
  :: else ->
     fence[x] = EPOCH(line);
     if
     :: MASTER(line) == x && reign[x] != EPOCH(line) -> become(x)
     :: MASTER(line) == x && reign[x] == EPOCH(line) -> follow(x)
     :: else ->
        resign(x);
        if :: !(INSYNC(line) & B(x)) && SYNCING(line) != x && IS_MEANT(x) -> forget(x) :: else fi
     fi
  fi;
  if :: keep[x] <= at[x] -> keep[x] = 0 :: else fi;
  settle(x);
  line = 0; lineBefore = 0; trim()
}

/* ---- entries */

inline newEpoch() { epoch++; target = NONE; addOf = 0; moveTo = 0 }

inline unassign() {
  syncing = NONE;
#ifndef BUG_LATEADD
  addOf = 0 /* the assignment that it names is over */
#endif
}

#define OTHERS(x) (inSync & ~B(x))
#define IS_STRUCK(x, isGone) ((inSync & B(x)) && ((isGone) || (OTHERS(x) & ~down)))
#define HAS_ROOM(x, isGone) (!(IS_STRUCK(x, isGone) && master == x && epoch == MAXE))

inline strike(x, isGone) {
  if :: syncing == x -> unassign() :: else fi;
  if :: target == x -> target = NONE :: else fi;
  if
  :: !IS_STRUCK(x, isGone) -> skip
  :: IS_STRUCK(x, isGone) && master != x -> inSync = OTHERS(x)
  :: else ->
     newEpoch();
     inSync = OTHERS(x);
     some = (inSync & ~down -> inSync & ~down : inSync);
     if
     :: some & 1 -> master = 0
     :: some & 2 -> master = 1
     :: some & 4 -> master = 2
     :: some == 0 -> master = NONE; syncing = NONE /* lost, rule R8 */
     fi
  fi
}

inline clear(x, y) {
  do :: nempty(L(x, y)) -> L(x, y)?kind, withEpoch, first, second :: empty(L(x, y)) -> break od;
  kind = 0; withEpoch = 0; first = 0; second = 0
}

#define CAN_AGREE (rev < MAXR && master != NONE)
#define IS_DOWN(i) (down & B(i))

/* A node: what it does by itself, and what is agreed about it. */
proctype Node(byte i) {
  end: do
  :: d_step { UP(i) && at[i] < rev -> apply(i, at[i] + 1, ~0) }
  :: d_step { UP(i) && at[i] + 1 < rev -> apply(i, rev, ~FLAG_DOWN) }
  /* a client's write */
  :: d_step { role[i] == SERVING && writes < MAXW && len(L(i, P(i))) < QUEUE && len(L(i, Q(i))) < QUEUE ->
       has[i] = has[i] | B(writes); mine[i] = mine[i] | B(writes);
       if :: GETS_RECORDS(i) & B(P(i)) -> send(i, P(i), RECORD, B(writes), SEQ(has[i])) :: else fi;
       if :: GETS_RECORDS(i) & B(Q(i)) -> send(i, Q(i), RECORD, B(writes), SEQ(has[i])) :: else fi;
       writes++;
       settle(i) }
  /* assign, unassign, target, untarget: orders of the planner */
  :: d_step { MAY_COPY && CAN_AGREE && syncing == NONE && !(inSync & B(i)) && !IS_DOWN(i) ->
       syncing = i; copyNo++; record(0) }
  :: d_step { MAY_COPY && CAN_AGREE && syncing == i ->
       unassign(); if :: target == i -> target = NONE :: else fi; record(0) }
  :: d_step { MAY_MOVE && CAN_AGREE && target != i && master != i && ((inSync & B(i)) || syncing == i) && !IS_DOWN(i) ->
       target = i; record(0) }
  :: d_step { MAY_MOVE && CAN_AGREE && target == i -> target = NONE; record(0) }
  /* in-sync, move: proposals of the master */
  :: d_step { CAN_AGREE && addOf == i + 1 && syncing == i && !IS_DOWN(i) ->
       inSync = inSync | B(i); unassign(); record(0) }
  :: d_step { CAN_AGREE && moveTo == i + 1 && target == i && (inSync & B(i)) && !IS_DOWN(i) && epoch < MAXE ->
       newEpoch(); master = i; record(0) }
  /* down: silent until its lease ran out, dead or not */
  :: atomic { CAN_AGREE && !IS_DOWN(i) && ((inSync & B(i)) || syncing == i) && HAS_ROOM(i, false) ->
       down = down | B(i); floor[i] = (dead & B(i) -> 0 : rev + 1);
       strike(i, false);
       d_step { record(FLAG_DOWN) } }
  /* kill -9; one in-sync copy lives */
  :: d_step { crashes < MAXC && UP(i) && !(incs & B(i)) && (inSync & ~dead & ~B(i)) ->
       crashes++; dead = dead | B(i);
       resign(i); forget(i); fence[i] = 0; floor[i] = 0; at[i] = 0;
       clear(P(i), i); clear(Q(i), i); trim() }
  /* joined: a new process with the old id */
  :: atomic { CAN_AGREE && (dead & B(i)) && HAS_ROOM(i, true) ->
#ifndef BUG_KEEPSEAT
       strike(i, true);
#endif
       d_step {
         down = down & ~B(i); dead = dead & ~B(i); incs = incs ^ B(i);
         clear(i, P(i)); clear(i, Q(i));
         at[i] = rev; record(0)
       } }
  od
}

/* ---- messages */

#define TAKES(j) ((copy[j] == PARTIAL || copy[j] == WHOLE) && SEQ(has[j]) + 1 == second)
#define AGREES(j) (copy[j] >= KEPT && pos[j] == second && SEQ(has[j]) == first)

/* Master x hears that y did not take a record. */
inline lostCopy(x, y) {
  if
  :: reign[x] && (INSYNC(VIEW(x)) & B(y)) ->
     role[x] = WAITING; pend[x] = pend[x] | B(y); diff[x] = diff[x] | B(y)
  :: reign[x] && !(INSYNC(VIEW(x)) & B(y)) && to[x] == y -> stage[x] = 0; before[x] = 0
  :: else
  fi
}

/* Master x hears from y that there is a newer epoch. */
inline deposed(x, y) {
  if
  :: kind != END && reign[x] && fence[y] > reign[x] ->
     resign(x);
#ifndef BUG_REFENCE
     fence[x] = fence[y]
#endif
  :: else
  fi
}

inline agree(x, y) {
  if
  :: AGREES(y) ->
     pos[y] = withEpoch; copy[y] = WHOLE;
     if
     :: reign[x] == withEpoch && (pend[x] & B(y)) -> assert(has[x] == has[y]); pend[x] = pend[x] & ~B(y)
     :: else
     fi
  :: else ->
#ifdef BUG_FORGET
     forget(y);
#else
     if :: copy[y] == WHOLE -> copy[y] = KEPT :: copy[y] == PARTIAL -> forget(y) :: else fi;
#endif
     if :: reign[x] == withEpoch -> diff[x] = diff[x] | B(y) :: else fi
  fi
}

inline execute(x, y) {
  if :: withEpoch > fence[y] -> fence[y] = withEpoch; resign(y) :: else fi;
  if
  :: kind == RECORD && TAKES(y) -> has[y] = has[y] | first; pos[y] = withEpoch
  :: kind == RECORD && !TAKES(y) -> if :: copy[y] != KEPT -> forget(y) :: else fi; lostCopy(x, y)
  :: kind == BEGIN ->
     copy[y] = PARTIAL; has[y] = first; pos[y] = second & 3; keep[y] = ((second >> 2) > at[y] -> second >> 2 : 0)
  :: kind == END -> if :: copy[y] == PARTIAL -> copy[y] = WHOLE :: else fi
  :: kind == AGREE -> agree(x, y)
  fi
}

/* The stream from i to j, and what master i does about j. */
proctype Link(byte i, j) {
  end: do
  :: d_step { nempty(L(i, j)) && UP(j) && KNOWS(j, j) && KNOWS(j, i) ->
       L(i, j)?kind, withEpoch, first, second;
       if :: to[i] == j && before[i] -> before[i]-- :: else fi;
       if :: withEpoch < fence[j] -> deposed(i, j) :: else -> execute(i, j) fi;
       kind = 0; withEpoch = 0; first = 0; second = 0;
       settle(i) }
  /* out-of-sync: it is late, or differs, or lost its copy */
#ifdef BUG_EARLYSHRINK
  :: d_step { reign[i] && (INSYNC(VIEW(i)) & ~shrunk[i] & B(j)) -> shrunk[i] = shrunk[i] | B(j); settle(i) }
#endif
  :: d_step { CAN_AGREE && reign[i] == epoch && (INSYNC(VIEW(i)) & inSync & B(j)) ->
       inSync = inSync & ~B(j); if :: target == j -> target = NONE :: else fi; record(0) }
  /* a copy; with ONESTEP no record travels between the ends of its image */
#ifdef ONESTEP
  :: d_step { to[i] == j && stage[i] == 0 && REACHES(i, j) && len(L(i, j)) < QUEUE - 1 ->
       L(i, j)!BEGIN, reign[i], has[i], pos[i] | (at[i] << 2);
       L(i, j)!END, reign[i], 0, 0; stage[i] = 2; before[i] = len(L(i, j)) }
#else
  :: d_step { to[i] == j && stage[i] == 0 && REACHES(i, j) && len(L(i, j)) < QUEUE ->
       L(i, j)!BEGIN, reign[i], has[i], pos[i] | (at[i] << 2); stage[i] = 1 }
  :: d_step { to[i] == j && stage[i] == 1 && REACHES(i, j) && len(L(i, j)) < QUEUE ->
       L(i, j)!END, reign[i], 0, 0; stage[i] = 2; before[i] = len(L(i, j)) }
#endif
  /* handoff: parked, drained, proposed */
  :: d_step { role[i] == SERVING && TARGET(VIEW(i)) == j && (INSYNC(VIEW(i)) & B(j)) && stage[i] < 3 && CLEAN(i) ->
       role[i] = HANDING; if :: reign[i] == epoch -> moveTo = j + 1 :: else fi }
  od
}

#define IS_ENOUGH(j) (!(inSync & B(j)) || (dead & B(j)) || (copy[j] >= KEPT && (acked & ~has[j]) == 0))
#define IS_FRESH(j) (!(role[j] == SERVING && CLEAN(j) && HAS_LEASE(j)) || (acked & ~has[j]) == 0)

/* With one of these it is an error that the model gets somewhere: that it does is what shows that it does not stand still. */
#ifdef GOAL_HANDOFF /* a planned move, and the new master writes */
#define GOAL (epoch == 2 && !down && !crashes && role[1] == SERVING && mine[1])
#endif
#ifdef GOAL_WITHDRAWN /* the source serves again while its proposal to move is still on its way */
#define GOAL (moveTo && role[0] == SERVING && target == NONE && at[0] == rev)
#endif
#ifdef GOAL_FAILOVER /* one that has less than the new master is out, and the new master serves */
#define GOAL (dead && role[1] == SERVING && copy[2] == KEPT)
#endif
#ifdef GOAL_COPY /* a new copy is in sync and has what was acknowledged without it */
#define GOAL ((inSync & 4) && acked && copy[2] == WHOLE)
#endif
#ifdef GOAL_RETURN /* a process that died is in sync again */
#define GOAL (incs & inSync & ~dead)
#endif
#ifdef GOAL_COPYMOVE /* a new copy became master and writes */
#define GOAL (role[2] == SERVING && mine[2])
#endif
#ifndef GOAL
#define GOAL false
#endif

proctype Monitor() {
  end: if
  :: atomic { GOAL -> assert(!GOAL) }
  :: atomic { !(IS_ENOUGH(0) && IS_ENOUGH(1) && IS_ENOUGH(2)) -> assert(false) }
  :: atomic { !(IS_FRESH(0) && IS_FRESH(1) && IS_FRESH(2)) -> assert(false) }
  fi
}

init {
  d_step {
    log[0] = LINE;
    for (each : 0 .. N - 1) {
      fence[each] = 1; to[each] = NONE;
      if :: INSYNC0 & B(each) -> copy[each] = WHOLE; pos[each] = 1 :: else fi
    };
    each = 0;
    reign[0] = 1; role[0] = SERVING; to[0] = SYNCING0
  }
  atomic {
    run Node(0); run Node(1); run Node(2);
    run Link(0, 1); run Link(0, 2); run Link(1, 0); run Link(1, 2); run Link(2, 0); run Link(2, 1);
    run Monitor()
  }
}
