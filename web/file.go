package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// contentTypes has every kind of file that is embedded. The system's own table
// of types is not asked: it differs between machines.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".go":   "text/plain; charset=utf-8", // to be read
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one embedded file, ready to be served. It is static.
type file struct {
	contentType string
	plain       variant
	gzipped     variant // without content if that would be no shorter
}

// variant is a file in one content encoding.
type variant struct {
	content []byte
	etag    string // strong: of the content, so that each encoding has its own
}

// lazyFile makes the file when it is first asked for: to render and compress them all
// would take a third of the hub's start. Any number may ask at once; they wait for one.
type lazyFile func() file

func newLazyFile(name string, content func() []byte) lazyFile {
	return sync.OnceValue(func() file { return newFile(name, content()) })
}

func newFile(name string, content []byte) file {
	f := file{contentType: contentTypes[path.Ext(name)], plain: newVariant(content)}
	if gzipped := compress(content); len(gzipped) < len(content) {
		f.gzipped = newVariant(gzipped)
	}
	return f
}

func newVariant(content []byte) variant {
	sum := sha256.Sum256(content)
	return variant{content, `"` + hex.EncodeToString(sum[:16]) + `"`}
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("compress the embedded page: " + err.Error()) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache")
	v := f.plain
	if f.gzipped.content != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			v = f.gzipped
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(v.content))) // ServeContent leaves it out of encoded answers
		}
	}
	h.Set("ETag", v.etag)
	// With an ETag and no time, this answers If-None-Match and HEAD.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(v.content))
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3): gzip by its name, or by
// the * that stands for those which have none.
func acceptsGzip(lines []string) bool {
	others := false
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		coding, parameters, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return isWanted(parameters)
		case "*":
			others = isWanted(parameters)
		}
	}
	return others
}

// isWanted reports whether a weight is not zero (RFC 9110 §12.4.2). One that
// can't be read counts as zero: the plain content suits everybody.
func isWanted(parameters string) bool {
	name, value, given := strings.Cut(parameters, "=")
	if !given {
		return strings.TrimSpace(parameters) == ""
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 32)
	return strings.EqualFold(strings.TrimSpace(name), "q") && err == nil && q > 0
}
