// Package limit keeps any one client from taking a hub away from the others: it
// counts connections, meters what is published, and slows down who guesses credentials.
//
// # Who is charged
//
// Each thing is charged to one [Account]: that of the key or user whose
// credential was found good, else that of the network which the request came from. So many
// users behind one address do not starve each other, and a flood from that address does not
// stop them. Only failed attempts to present a credential are the network's, whoever they
// claim to be.
//
// # What is refused, and until when
//
// A [Refusal] says which limit it was, its value, and when to come back: the
// moment at which the limiter will have room again if nobody else of the same account takes
// it. What is refused costs nothing but the attempt.
//
// # Guessing
//
// A network whose failures are used up is refused before its credentials are looked
// at, so that guessing neither gets further nor costs the hub its time. A credential that
// was found good lately, from wherever, is looked at all the same: a guesser does not lock
// out those behind the same address who were there before. Who comes for the first time has to
// try as the guesser does.
//
// # Bounds
//
//	accounts without connections   maxAccounts networks, and as many keys and users; the one
//	                               that was idle the longest is forgotten for a new one, early
//	                               if it was idle for so long that its budgets are full again
//	accounts with connections      as many as there are connections: Config.Connections,
//	                               and what the process can open of idle ones
//	lines in the log               maxTold a minute
//	good credentials               2 × maxKnown, as 64 bits of a keyed hash each
//
// # Goroutines
//
// None is started. All types may be used from any goroutine; no call blocks.
package limit
