// Package foreign has the names and payloads of messages as brokers write them, and what
// a hub makes of them. It is functions alone.
//
// # Names and channels
//
// Each MQTT topic is one channel and each channel one topic: a/b/c is a.b.c. What
// only one of them can have in a level is escaped in the other by = and the character's UTF-8
// in upper case hexadecimal:
//
//	topic                      channel
//	sensors/room/temp          sensors.room.temp
//	v1.2/my room               v1=2E2.my=20room
//	büro/°C                    b=C3BCro.=C2B0C
//	/a//b                      =.a.=.b               an empty level is =
//	a/=23b                     a.#b                  # can't be in a topic
//
// So that nothing is meant by two names, a level that would read as an escape has 3D
// behind its =, once more than the other name: the topic a=20b is the channel a=3D20b. A level
// of = alone has one more of them as a token, unless it is the whole name. The filters + and #
// are the patterns * and >.
//
// AMQP's routing keys are channels by the same rule. Their levels are words with dots
// between them, in which only the dot can't be.
//
// # Payloads and data
//
// A payload comes to other users of brokers as it was, byte by byte. To everybody
// else it is what the same body would be over HTTP: text is a notification with that message,
// and what is not UTF-8 one in base64, with its "encoding". But a JSON object or array on one
// line is data as it is, so that programs need not unpack it.
//
// What others publish comes to brokers as plain text (see [PlainText]), base64 as
// the bytes that it stands for.
package foreign
