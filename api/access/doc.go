// Package access finds out who asks: it takes the credential out of a request,
// verifies it, and says why if it refuses.
//
// # Credentials
//
// A token is a JWT (RFC 7519) that somebody else has signed; it says itself who
// its bearer is and what they may do. A key is for servers; what it allows stands in the
// hub's configuration. Both travel in the same places, see [FromRequest].
//
// # What a token must pass
//
// The checks stand in one table, in order: the form, the algorithm, the key, the
// signature, then what its claims say. [Verifier.Connection] and [Verifier.Subscription]
// stop at the first that fails; [Explain] goes on as far as it can. Nothing of the
// claims is looked at, or told, before the signature is known to be good.
//
// A [Key] takes only the algorithms of its own kind, so a token can't choose how a key
// is used (RFC 8725 §2.1). Headers that bring a key or its address along (jwk, jku, x5c, x5u)
// are not read.
//
// # Goroutines
//
// None is started. [RemoteKeys.Run] is one that its caller runs and waits for. All types
// may be used from any goroutine.
//
// # Bounds
//
//	token           MaxTokenBytes; its JSON is maxDepth deep
//	grants          maxPatterns of an action, maxChannels to subscribe to
//	signing keys    maxKeys of a file or URL; maxKeySetBytes of text
//	fetches         one at a time, fetchTimeout long; for keys nobody knows, one every
//	                fetchCooldown; meanwhile tokens with an unknown key ID are refused
//	servers' keys   maxAPIKeys
//	revocations     MaxRevocations; more are refused, none is forgotten before its time
package access
