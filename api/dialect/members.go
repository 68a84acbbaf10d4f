package dialect

import "bytes"

// jsonMembers hands the members of an object to each, in order, until that is false: the
// name as it is written, without its quotes, and the value. object must be valid JSON. It is
// false if object is none or each was false. Nothing is copied.
func jsonMembers(object []byte, each func(name, value []byte) bool) bool {
	i := skipSpaces(object, 0)
	if object[i] != '{' {
		return false
	}
	for i = skipSpaces(object, i+1); object[i] != '}'; {
		end := stringEnd(object, i)
		name := object[i+1 : end-1]
		i = skipSpaces(object, skipSpaces(object, end)+1) // behind the colon
		end = valueEnd(object, i)
		if !each(name, object[i:end]) {
			return false
		}
		if i = skipSpaces(object, end); object[i] == ',' {
			i = skipSpaces(object, i+1)
		}
	}
	return true
}

// jsonElements does the same for the elements of an array.
func jsonElements(array []byte, each func(value []byte) bool) bool {
	i := skipSpaces(array, 0)
	if array[i] != '[' {
		return false
	}
	for i = skipSpaces(array, i+1); array[i] != ']'; {
		end := valueEnd(array, i)
		if !each(array[i:end]) {
			return false
		}
		if i = skipSpaces(array, end); array[i] == ',' {
			i = skipSpaces(array, i+1)
		}
	}
	return true
}

func skipSpaces(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return i
}

// stringEnd returns where the string ends that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd returns where the value ends that begins at i, in an object or array.
func valueEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i++
		}
		if depth > 0 {
			continue
		}
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
	}
}

// plainPublish reads a publish that names a channel and has data, and no more, which is
// what most are, without reflection. body must be valid JSON. It is false for whatever else.
func plainPublish(body []byte) (channel string, data []byte, ok bool) {
	ok = jsonMembers(body, func(name, value []byte) bool {
		switch {
		case string(name) == "channel" && channel == "" && value[0] == '"' && !bytes.ContainsRune(value, '\\'):
			channel = string(value[1 : len(value)-1])
		case string(name) == "data" && data == nil && !isNull(value):
			data = value
		default:
			return false
		}
		return true
	})
	return channel, data, ok && data != nil
}
