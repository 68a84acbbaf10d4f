// Package hub delivers each published message once, in order, to every session
// subscribed to its channel.
//
// It knows no protocol, no transport and no store: a [Codec] writes frames, a
// [Conn] carries them, an [Engine] keeps messages. It imports the standard
// library alone.
//
// # The way of a message
//
//	Publish → Engine (stored, acknowledged) → Listen → shard → outbox → Conn
//
// # Goroutines
//
//	shard (one per processor)  sole owner of its channels and their subscribers;
//	                           encodes each event once per codec and puts the frame
//	                           into outboxes, which never blocks; wakes the
//	                           transports when its inbox is empty, a few by itself
//	waker (one per processor)  wakes the others for the shards, some at a time
//	fill (one a hole,          reads from the store what an entry missed on its way and
//	maxFills at work)          hands it to the shard, page by page
//	catch-up (one a            the same for one subscription that a fill can't make
//	subscription, ditto)       whole, see mend
//	heart (one)                once a second: pings, and closes what went silent
//	the engine's (one)         hands each message to its shard
//	the transports'            call Subscribe, Send, Take and so on
//
// A subscription lives in the shard of its first channel. One with several
// channels has them all in that shard, so it sees one order, the store's.
//
// # Who may what
//
// Nobody outside uses a [Hub] itself but to start and stop it: an [Actor] is the hub as one
// [Principal] may use it, and checks each call. A session belongs to a principal too: its
// subscriptions end when that one expires, is revoked or is replaced by one that may do less.
// How much it may publish is for the actor's [Meter] to say, which is asked there too.
//
// # Holes
//
// The engine's copy of a stored message may be lost on its way: the shard's inbox was
// full, the engine says so ([Listener.Lost]), or the next message of the channel shows it by
// its Prev. The hole is then filled from the store: nothing of that channel or pattern that is
// behind it is delivered first, so that the position of a client that leaves meanwhile is one to
// recover from. If the store can't fill it, the subscriptions end with [CauseGap] and their
// clients recover by themselves. A pattern learns of a silent loss by the next message of that
// channel alone; it then comes late, behind messages of other channels.
//
// # Bounds
//
//	outbox          Config.OutboxBytes of a session, held messages included; full: by
//	                the rule's SlowPolicy the session is closed (Info.Slow) or messages
//	                are dropped, first those of channels that allow it (Info.Dropped)
//	shard's inbox   inboxOps messages, inboxBytes of data; full: messages are lost on
//	                the way (Info.Gaps), stored ones are brought from the store
//	                (Info.Filled), others are dropped (Info.Lost)
//	wakers          maxHerds of herdSize sessions; full: the shard wakes them itself
//	fills           maxFills pages of the store; heldMessages and heldBytes of what comes
//	                while one ends; full: it goes on reading, others are dropped
//	trails          channelTrailBytes twice a pattern, to see holes; full: what was
//	                silently lost of channels that were long quiet is not seen
//	engine's inbox  see package stream; the same
//	subscriptions   Config.MaxSubscriptions of a session; more: CodeLimit
//	denials         the log hears of maxDenials kinds a minute; more are counted
//	                (Info.Denied)
package hub
