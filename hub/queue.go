package hub

// parcel is a frame on its way to a session. The zero policy is for whatever must
// not be dropped.
type parcel struct {
	frame []byte
	seq   uint64 // of a stored message, else 0
	slow  SlowPolicy
	// whose newest state it is, for SlowKeepLatest
	part    *part
	channel string
}

// queue is frames that wait, in order. Those with another policy than
// SlowDisconnect are loose: they may be evicted, or replaced by newer ones. The zero value is
// empty and ready. Guarded by its owner.
type queue struct {
	waiting []waiting // those before head are gone
	head    int
	base    uint64 // place of waiting[0]
	bytes   int    // cost of all that wait
	evicted int    // behind head
	loose   *looseFrames
}

// waiting is a place in a queue. Its frame is nil if it was evicted.
type waiting struct {
	frame []byte
	seq   uint64
}

// looseFrames are the loose ones of a queue, by their places, which rise. Made
// for the first one, and kept, since a reader that keeps up would need it again and again.
type looseFrames struct {
	all  []looseFrame // those before head are gone
	head int
	// index finds the frame to be replaced. It is built when there are more than a few,
	// and may hold some that are gone.
	index map[looseKey]uint64
}

type looseFrame struct {
	looseKey
	place uint64
}

// looseKey says whose newest state a frame is; zero: nobody's.
type looseKey struct {
	part    *part
	channel string
}

const (
	// keepFrames is the length of a slice that an idle queue may keep for reuse.
	keepFrames = 12
	// fewLoose are searched without an index.
	fewLoose = 16
)

// cost is what a frame counts in a queue: its bytes and its place.
func cost(frame []byte) int { return len(frame) + 32 }

func (q *queue) add(p parcel) {
	if p.frame == nil {
		p.frame = []byte{}
	}
	place := q.base + uint64(len(q.waiting))
	q.waiting = append(q.waiting, waiting{p.frame, p.seq})
	q.bytes += cost(p.frame)
	if p.slow == SlowDisconnect {
		return
	}
	if q.loose == nil {
		q.loose = &looseFrames{}
	}
	q.loose.add(looseFrame{p.looseKey(), place}, q.base+uint64(q.head))
}

func (p *parcel) looseKey() looseKey {
	if p.slow != SlowKeepLatest {
		return looseKey{}
	}
	return looseKey{p.part, p.channel}
}

// replace puts p in the place of an older state of the same. It is false if none
// waits. freed is the cost that it saves, if positive.
func (q *queue) replace(p parcel) (freed int, ok bool) {
	if p.slow != SlowKeepLatest || q.loose == nil {
		return 0, false
	}
	place, ok := q.loose.find(p.looseKey(), q.base+uint64(q.head))
	if !ok {
		return 0, false
	}
	w := &q.waiting[place-q.base]
	if w.frame == nil {
		return 0, false
	}
	freed = len(w.frame) - len(p.frame)
	q.bytes -= freed
	*w = waiting{p.frame, p.seq}
	return freed, true
}

// evict drops the oldest loose frame. freed is its cost; 0: there is none.
func (q *queue) evict() (freed int) {
	if q.loose == nil {
		return 0
	}
	place, ok := q.loose.pop(q.base + uint64(q.head))
	if !ok {
		return 0
	}
	w := &q.waiting[place-q.base]
	freed = cost(w.frame)
	q.bytes -= freed
	*w = waiting{}
	q.evicted++
	q.skipEvicted()
	if q.evicted > keepFrames && q.evicted > (len(q.waiting)-q.head)/2 {
		q.compact()
	}
	return freed
}

// first is the frame to go next. ok is false if none waits.
func (q *queue) first() (w waiting, ok bool) {
	if q.head == len(q.waiting) {
		return waiting{}, false
	}
	return q.waiting[q.head], true
}

// drop takes the first frame out.
func (q *queue) drop() {
	q.bytes -= cost(q.waiting[q.head].frame)
	q.waiting[q.head] = waiting{}
	q.head++
	q.skipEvicted()
}

// pop takes the first frame out, as it was added. ok is false if none waits.
func (q *queue) pop() (p parcel, ok bool) {
	w, ok := q.first()
	if !ok {
		return p, false
	}
	p = parcel{frame: w.frame, seq: w.seq}
	if q.loose != nil {
		place := q.base + uint64(q.head)
		if f, ok := q.loose.first(place); ok && f.place == place {
			p.slow = SlowDropOldest
			if p.part, p.channel = f.part, f.channel; f.part != nil {
				p.slow = SlowKeepLatest
			}
		}
	}
	q.drop()
	return p, true
}

// skipEvicted keeps the first place one with a frame.
func (q *queue) skipEvicted() {
	for ; q.head < len(q.waiting) && q.waiting[q.head].frame == nil; q.head++ {
		q.evicted--
	}
}

// tidy gives back space of frames that are gone.
func (q *queue) tidy() {
	n := q.head
	switch {
	case n < len(q.waiting):
		if n < keepFrames || n < len(q.waiting)/2 {
			return
		}
		left := copy(q.waiting, q.waiting[n:])
		clear(q.waiting[left:])
		q.waiting = q.waiting[:left]
	case cap(q.waiting) > keepFrames:
		q.waiting = nil
	default:
		q.waiting = q.waiting[:0]
	}
	q.head, q.base = 0, q.base+uint64(n)
}

// compact gives back the places of evicted frames.
func (q *queue) compact() {
	l := q.loose
	l.trim(q.base + uint64(q.head))
	loose, kept := l.all[l.head:], q.waiting[:0]
	for i, w := range q.waiting {
		if i < q.head || w.frame == nil {
			continue
		}
		if len(loose) > 0 && loose[0].place == q.base+uint64(i) {
			loose[0].place = q.base + uint64(len(kept))
			loose = loose[1:]
		}
		kept = append(kept, w)
	}
	clear(q.waiting[len(kept):])
	q.waiting, q.head, q.evicted = kept, 0, 0
	l.index = nil
}

// add notes a loose frame; head is the first place that is not gone.
func (l *looseFrames) add(f looseFrame, head uint64) {
	l.trim(head)
	l.all = append(l.all, f)
	if l.index != nil && f.looseKey != (looseKey{}) {
		l.index[f.looseKey] = f.place
	}
}

// trim forgets those before head.
func (l *looseFrames) trim(head uint64) {
	for l.head < len(l.all) && l.all[l.head].place < head {
		l.all[l.head] = looseFrame{}
		l.head++
	}
	switch n := len(l.all); {
	case l.head == n:
		if cap(l.all) > keepFrames {
			l.all = nil
		}
		l.all, l.head, l.index = l.all[:0], 0, nil
	case l.head >= keepFrames && l.head >= n/2:
		left := copy(l.all, l.all[l.head:])
		clear(l.all[left:])
		l.all, l.head, l.index = l.all[:left], 0, nil // the index had many that are gone
	}
}

// first returns the oldest one that is not gone.
func (l *looseFrames) first(head uint64) (f looseFrame, ok bool) {
	if l.trim(head); l.head == len(l.all) {
		return f, false
	}
	return l.all[l.head], true
}

// find returns the place where an older state of key waits.
func (l *looseFrames) find(key looseKey, head uint64) (place uint64, ok bool) {
	l.trim(head)
	waiting := l.all[l.head:]
	if len(waiting) <= fewLoose {
		for i := range waiting {
			if waiting[i].looseKey == key {
				return waiting[i].place, true
			}
		}
		return 0, false
	}
	if l.index == nil {
		l.index = make(map[looseKey]uint64, len(waiting))
		for _, f := range waiting {
			l.index[f.looseKey] = f.place
		}
	}
	place, ok = l.index[key]
	return place, ok && place >= head
}

// pop takes the oldest one out.
func (l *looseFrames) pop(head uint64) (place uint64, ok bool) {
	f, ok := l.first(head)
	if !ok {
		return 0, false
	}
	l.all[l.head] = looseFrame{}
	l.head++
	if l.index != nil {
		delete(l.index, f.looseKey)
	}
	return f.place, true
}
