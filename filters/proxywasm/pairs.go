package proxywasm

// pairs holds the lists of names and values that move between host and VM in the ABI's form: the
// count, the lengths of all names and values, then each name and value with a NUL behind it; numbers
// are 32 bits, little endian.
type pairs struct {
	decoded [][2]string // lists given out in this callback, one behind the other
	encoded []byte      // the lists of the call to the host that is being made
}

// decode returns the list in data as views of data. It reports false if data is no such list. The
// list itself is valid until reset.
func (p *pairs) decode(data []byte) ([][2]string, bool) {
	if len(data) == 0 {
		return nil, true
	}
	if len(data) < 4 {
		return nil, false
	}
	count := uint64(uint32At(data, 0))
	texts := 4 + 8*count
	if texts > uint64(len(data)) {
		return nil, false
	}
	from := len(p.decoded)
	rest := data[texts:]
	for i := range int(count) {
		name, value := uint64(uint32At(data, 4+8*i)), uint64(uint32At(data, 8+8*i))
		if name+value+2 > uint64(len(rest)) {
			p.decoded = p.decoded[:from]
			return nil, false
		}
		p.decoded = append(p.decoded, [2]string{ViewString(rest[:name]), ViewString(rest[name+1 : name+1+value])})
		rest = rest[name+value+2:]
	}
	return p.decoded[from:len(p.decoded):len(p.decoded)], true
}

// encode writes the list behind what encoded holds already, and returns its bytes: valid until reset
// or another encode.
func (p *pairs) encode(list [][2]string) {
	p.encoded = appendUint32(p.encoded, uint32(len(list)))
	for i := range list {
		p.encoded = appendUint32(p.encoded, uint32(len(list[i][0])))
		p.encoded = appendUint32(p.encoded, uint32(len(list[i][1])))
	}
	for i := range list {
		p.encoded = append(append(p.encoded, list[i][0]...), 0)
		p.encoded = append(append(p.encoded, list[i][1]...), 0)
	}
}

// reset ends the life of all lists given out.
func (p *pairs) reset() {
	clear(p.decoded)
	p.decoded = p.decoded[:0]
}

func uint32At(data []byte, at int) uint32 {
	return uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16 | uint32(data[at+3])<<24
}

func appendUint32(data []byte, value uint32) []byte {
	return append(data, byte(value), byte(value>>8), byte(value>>16), byte(value>>24))
}
