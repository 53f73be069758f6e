//go:build wasip1

package policy

import "math/bits"

// Digest is SHA-256 (FIPS 180-4). The standard library's pulls package os into
// the filters, which must not happen: a garbage collection then calls host
// functions that not every proxy has. The manager uses the standard one.
func Digest(data string) [32]byte {
	state := sha256Initial
	n := len(data) &^ 63
	for i := 0; i < n; i += 64 {
		sha256Block(&state, data[i:i+64])
	}
	sha256Tail(&state, data[n:], uint64(len(data)))
	var sum [32]byte
	for i, word := range state {
		sum[4*i], sum[4*i+1], sum[4*i+2], sum[4*i+3] = byte(word>>24), byte(word>>16), byte(word>>8), byte(word)
	}
	return sum
}

var sha256Initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// sha256Round are the round constants of section 4.2.2.
var sha256Round = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// sha256Tail hashes the rest of less than a block, the padding and the length.
func sha256Tail(state *[8]uint32, rest string, length uint64) {
	var block [64]byte
	n := copy(block[:], rest)
	block[n] = 0x80
	if n >= 56 {
		sha256Block(state, block[:])
		block = [64]byte{}
	}
	for i := range 8 {
		block[56+i] = byte(length << 3 >> (56 - 8*i))
	}
	sha256Block(state, block[:])
}

func sha256Block[T string | []byte](state *[8]uint32, block T) {
	var w [64]uint32
	_ = block[63]
	for i := range 16 {
		w[i] = uint32(block[4*i])<<24 | uint32(block[4*i+1])<<16 | uint32(block[4*i+2])<<8 | uint32(block[4*i+3])
	}
	for i := 16; i < 64; i++ {
		x, y := w[i-15], w[i-2]
		s0 := bits.RotateLeft32(x, -7) ^ bits.RotateLeft32(x, -18) ^ x>>3
		s1 := bits.RotateLeft32(y, -17) ^ bits.RotateLeft32(y, -19) ^ y>>10
		w[i] = w[i-16] + s0 + w[i-7] + s1
	}
	a, b, c, d, e, f, g, h := state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
	for i := 0; i < 64; i += 8 { // eight rounds at a time, after which each variable has its own name again
		k, m := sha256Round[i:i+8:i+8], w[i:i+8:i+8]
		d, h = sha256Step(a, b, c, d, e, f, g, h+k[0]+m[0])
		c, g = sha256Step(h, a, b, c, d, e, f, g+k[1]+m[1])
		b, f = sha256Step(g, h, a, b, c, d, e, f+k[2]+m[2])
		a, e = sha256Step(f, g, h, a, b, c, d, e+k[3]+m[3])
		h, d = sha256Step(e, f, g, h, a, b, c, d+k[4]+m[4])
		g, c = sha256Step(d, e, f, g, h, a, b, c+k[5]+m[5])
		f, b = sha256Step(c, d, e, f, g, h, a, b+k[6]+m[6])
		e, a = sha256Step(b, c, d, e, f, g, h, a+k[7]+m[7])
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
	state[4] += e
	state[5] += f
	state[6] += g
	state[7] += h
}

// sha256Step is one round, as section 6.2.2 has it; h comes with constant and
// message word added. It returns the two variables that are new.
func sha256Step(a, b, c, d, e, f, g, h uint32) (newD, newH uint32) {
	h += (bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)) + (g ^ e&(f^g))
	return d + h, h + (bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)) + (a&b ^ c&(a^b))
}
