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
//	                           transports when its inbox is empty
//	heart (one)                once a second: pings, and closes what went silent
//	the engine's (one)         hands each message to its shard
//	the transports'            readers call Subscribe, Send and so on; writers Take
//
// A subscription lives in the shard of its first channel. One with several
// channels has them all in that shard, so it sees one order, the store's.
//
// # Bounds
//
//	outbox          Config.OutboxBytes of a session, held messages included;
//	                full: the session is closed as slow (Info.Slow)
//	shard's inbox   inboxOps messages, inboxBytes of data; full: messages are lost on
//	                the way, and the subscribers of their channel are told to come
//	                back and recover them from the store (Info.Gaps)
//	engine's inbox  see package stream; the same
//	subscriptions   Config.MaxSubscriptions of a session; more: CodeLimit
package hub
