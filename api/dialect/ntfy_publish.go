package dialect

import (
	"context"
	"encoding/base64"
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"fanfold/hub"
	"fanfold/hub/foreign"
)

// PublishRequest is what ntfy's API is told to publish.
type PublishRequest struct {
	Channel string              // for [ParsePublishJSON] the body names it
	Header  map[string][]string // canonical names
	Query   map[string][]string
	Body    []byte
	// Sequence is the sequence ID in the path, "" if there is none.
	Sequence string
	Now      time.Time // the present
	// MaxMessageBytes bounds the message text or body; 0: no bound. What is left is
	// for the hub, which bounds the data made of all fields.
	MaxMessageBytes int
}

// Priorities of a notification.
const (
	minPriority     = 1
	defaultPriority = 3
	maxPriority     = 5
)

// ntfyNotOffered are parameters whose silent loss would be worse than an error.
// The JSON form has them as fields, under the name given here.
var ntfyNotOffered = []notOffered{
	{paramEmail, "email", "forwarding by e-mail", NtfyNoEmail},
	{paramCall, "call", "calling a phone", NtfyNoCall},
	{paramTemplate, "template", "templating", NtfyBadRequest},
}

type notOffered struct {
	param      ntfyParam
	name, what string
	code       NtfyCode
}

func (n notOffered) refuse() error {
	return refuse(n.code, "%s is not offered by this hub: send the message without %s", n.what, n.name)
}

// ParsePublish reads a message that is published to r.Channel with its text in
// the body or in a parameter, the rest in parameters. A body that is not UTF-8 is kept in
// base64; one without any text leaves the parameter's message, and without that the
// message is "triggered". A file name without a URL asks to store the body as
// a file, which is refused. Hints for phone makers' push services are ignored. Errors
// are [hub.Error]s for [NtfyError].
func ParsePublish(r PublishRequest) (Publish, error) {
	if err := checkTopic(hub.CheckChannel, r.Channel); err != nil {
		return Publish{}, err
	}
	params := ntfyParams{header: r.Header, query: r.Query}
	draft, err := params.draft()
	if err != nil {
		return Publish{}, err
	}
	if err := draft.setBody(r, params.yes(paramUnchanged, false)); err != nil {
		return Publish{}, err
	}
	return draft.publish(r.Channel, r)
}

// ntfyDraft is a notification in the making.
type ntfyDraft struct {
	Notification
	wishes wishes
	live   bool
}

// draft makes a notification of the parameters.
func (p ntfyParams) draft() (d ntfyDraft, err error) {
	for _, refused := range ntfyNotOffered {
		if isAsked(p.text(refused.param)) {
			return d, refused.refuse()
		}
	}
	d.Message = strings.ReplaceAll(p.text(paramMessage), `\n`, "\n")
	d.Title = p.text(paramTitle)
	d.Tags = splitList(p.text(paramTags))
	d.Click = p.text(paramClick)
	d.Filename = p.text(paramFilename)
	d.Markdown = p.yes(paramMarkdown, p.isMarkdown())
	d.live = !p.yes(paramCache, true)
	d.wishes = p.wishes()
	if err := d.setPriority(p.text(paramPriority)); err != nil {
		return d, err
	}
	if err := d.setIcon(p.text(paramIcon)); err != nil {
		return d, err
	}
	if err := d.setAttach(p.text(paramAttach)); err != nil {
		return d, err
	}
	if actions := p.text(paramActions); actions != "" {
		return d, d.setActions(parseActions(actions))
	}
	return d, nil
}

func (p ntfyParams) wishes() wishes {
	return wishes{
		key:      p.text(paramKey),
		ttl:      p.text(paramTTL),
		delay:    p.text(paramDelay),
		schedule: p.text(paramSchedule),
		zone:     p.text(paramZone),
		sequence: p.text(paramSequence),
		exclude:  p.text(paramExclude),
		rollUp:   p.text(paramRollUp),
		ifMatch:  p.text(paramIfMatch),
		ifNone:   p.text(paramIfNone),
	}
}

// isAsked reports whether the value of a parameter that is not offered asks for
// something.
func isAsked(value string) bool {
	yes, ok := parseYes(value)
	return value != "" && (yes || !ok)
}

func (p ntfyParams) isMarkdown() bool {
	kind, _, err := mime.ParseMediaType(first(p.header["Content-Type"]))
	return err == nil && kind == "text/markdown"
}

func (d *ntfyDraft) setPriority(text string) (err error) {
	d.Priority, err = parsePriority(text)
	return err
}

// parsePriority reads a priority's number or word; "" is 0, the default.
func parsePriority(text string) (int, error) {
	switch strings.ToLower(text) {
	case "":
		return 0, nil
	case "1", "min":
		return minPriority, nil
	case "2", "low":
		return 2, nil
	case "3", "default":
		return defaultPriority, nil
	case "4", "high":
		return 4, nil
	case "5", "max", "urgent":
		return maxPriority, nil
	}
	return 0, refuse(NtfyBadPriority, "the priority %.40q is unknown: give 1 to 5, or min, low, default, high, max", text)
}

func (d *ntfyDraft) setIcon(text string) error {
	d.Icon = text
	return checkWebURL(NtfyBadIcon, "icon", text)
}

func (d *ntfyDraft) setAttach(text string) error {
	d.Attach = text
	return checkWebURL(NtfyBadAttach, "attachment", text)
}

// checkWebURL checks that text is "" or a URL that a client can fetch.
func checkWebURL(code NtfyCode, what, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return refuse(code, "the %s %.60q is not a URL: give one that begins with https:// or http://", what, text)
	}
	return nil
}

func (d *ntfyDraft) setActions(actions []Action, err error) error {
	if err != nil {
		return refuse(NtfyBadActions, "the actions can't be read: %s", err)
	}
	d.Actions = actions
	return nil
}

// setBody makes the request's body the message, if there is something in it.
// unchanged keeps the spaces around it.
func (d *ntfyDraft) setBody(r PublishRequest, unchanged bool) error {
	if err := checkMessageBytes(len(r.Body), r.MaxMessageBytes); err != nil {
		return err
	}
	if !utf8.Valid(r.Body) {
		d.Message, d.Encoding = base64.StdEncoding.EncodeToString(r.Body), encodingBase64
		return nil
	}
	text := string(r.Body)
	if !unchanged {
		text = strings.TrimSpace(text)
	}
	if text != "" {
		d.Message = text
	}
	return nil
}

func checkMessageBytes(n, limit int) error {
	if limit > 0 && n > limit {
		return refuse(NtfyTooLarge, "the message is %d bytes long: at most %d are allowed", n, limit)
	}
	return nil
}

// publish finishes the draft. A sequence ID in the path comes before others.
func (d *ntfyDraft) publish(channel string, r PublishRequest) (Publish, error) {
	switch {
	case d.Filename != "" && d.Attach == "":
		return Publish{}, refuse(NtfyNoUpload, "storing files is not offered by this hub: leave out the file name to send the body as the message, or give the file's URL as attach")
	case d.Message == "" && d.Attach != "":
		d.Message = "You received a file: " + d.attachmentName() // ntfy's words
	case d.Message == "":
		d.Message = "triggered"
	}
	if r.Sequence != "" {
		d.wishes.sequence = r.Sequence
	}
	d.SequenceID = d.wishes.sequence
	return newPublish(&hub.Message{Channel: channel, Data: d.Data()}, d.live, d.wishes, r.Now)
}

// Send publishes, or schedules, and returns what the publisher is told: the
// message as subscribers see it, with "expires" if it has a TTL, "duplicate" if an earlier
// publish had the same idempotency key, and "scheduled" if it waits for its time. The ID is
// then the schedule's. It blocks on the engine.
func (p Publish) Send(ctx context.Context, h *hub.Actor) (reply []byte, err error) {
	r, err := p.do(ctx, h)
	if err != nil {
		return nil, err
	}
	out := ntfyMessageOf(r.message)
	out.Duplicate, out.Scheduled = r.duplicate, r.scheduled
	if !r.expires.IsZero() {
		out.Expires = r.expires.Unix()
	}
	return foreign.CompactJSON(out), nil
}
