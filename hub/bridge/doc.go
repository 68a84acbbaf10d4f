// Package bridge joins a hub to message brokers that exist: MQTT 5 and 3.1.1, and AMQP 0.9.1
// as RabbitMQ speaks it. A bridge is a client of the hub as any other, with grants for the
// channels of its routes alone.
//
// # In
//
// A message is acknowledged to the broker only after the hub's store has acknowledged it.
// While the store takes nothing it is tried again here, with growing waits, and the broker's own
// bound on unacknowledged messages makes it wait: nothing is thrown back to come again at once.
// What the hub can never take (no channel's name, too long, not allowed) is rejected, so that
// AMQP hands it to the queue's dead-letter exchange; MQTT has none, and it is acknowledged. Either
// way it is counted and the log told. A message that AMQP delivers again is known by its message
// ID, and one of MQTT by the ID that another hub gave it.
//
// # Out
//
// A route's position moves only over messages that the broker has acknowledged, in order
// without a gap. Many are on their way at a time. What was not acknowledged when a connection
// ends, or the hub does, is sent again: at least once. A message that the broker does not take now
// (no queue takes it, no permission) is sent again, with growing waits, and the ones behind it
// wait; the state says why. Positions are kept once a second; the log says so if the store has
// forgotten messages before they were sent.
//
// # Loops
//
// What came in over a bridge bears that one's name in a tag, and does not go out over it.
// What goes out bears the hub's mark, which every hub on the way adds its own to, and is not taken
// in again. MQTT 3.1.1 has no place for marks, so that overlapping routes are refused there.
//
// # Goroutines
//
//	bridge (one each)       connects, and waits for all below
//	keeper (one a bridge)   keeps positions, measures the lag
//	receiver (one a link)   takes what came, one message after the other
//	route (two a link and   follows the hub and sends; watches for what the broker refuses
//	out route)
//	the link's              MQTT: reads, pings; AMQP: one a route for confirms or deliveries,
//	                        and one for each thing that can be closed
//
// # Bounds
//
//	window       windowParcels and windowBytes of each out route; full: the route waits
//	in flight    what the broker allows; MQTT at most maxUnanswered
//	queue        queueMessages and queueBytes of each link, see there; AMQP amqpPrefetch
//	properties   maxProperties and maxPropertiesSize of a message; more: it is refused
package bridge
