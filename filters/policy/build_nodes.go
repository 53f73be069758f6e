package policy

import (
	"errors"
	"slices"
	"strings"
)

// buildNode is a node of a host's templates while they are gathered.
type buildNode struct {
	identity string
	flags    byte
	methods  map[string][]holder
}

type holder struct{ product, operation string }

// nodeSet gathers the nodes of all hosts by their key.
type nodeSet struct {
	nodes   map[uint64]*buildNode
	inOrder []*buildNode // as they were met
	roots   map[uint64]string
	err     error
}

func (src *Source) encodeNodes(t *tableBuilder) error {
	n := nodeSet{nodes: make(map[uint64]*buildNode), roots: make(map[uint64]string)}
	for i := range src.Products {
		p := &src.Products[i]
		for _, e := range p.Environments {
			for _, host := range e.Hosts {
				for _, o := range p.Operations {
					n.add(host, p.Name, o)
				}
			}
		}
	}
	for _, node := range n.inOrder {
		t.add(node.append(t.start(node.identity)))
	}
	return n.err
}

// add walks a template down from its host's root, making nodes as needed.
func (n *nodeSet) add(host, product string, o SourceOperation) {
	root := hashSeed.string(host).sum()
	if other, ok := n.roots[root]; ok && other != host {
		n.err = errors.New("policy: the hosts " + host + " and " + other + " have one hash; rename one")
	}
	n.roots[root] = host
	parent, parentNode := root, (*buildNode)(nil)
	segments := strings.Split(strings.TrimPrefix(o.Path, "/"), "/")
	if len(segments) > maxSegments {
		n.err = errors.New("policy: the path " + o.Path + " of product " + product + " has more than 64 segments")
		return
	}
	for _, segment := range segments {
		kind := byte(segmentLiteral)
		if strings.HasPrefix(segment, "{") {
			kind, segment = segmentWildcard, ""
		}
		parentNode.hasChild(kind)
		parent, parentNode = n.node(parent, kind, segment)
	}
	if parentNode.methods == nil {
		parentNode.methods = make(map[string][]holder)
	}
	h := holder{product, o.ID}
	if !slices.Contains(parentNode.methods[o.Method], h) {
		parentNode.methods[o.Method] = append(parentNode.methods[o.Method], h)
	}
}

func (b *buildNode) hasChild(kind byte) {
	switch {
	case b == nil:
	case kind == segmentLiteral:
		b.flags |= nodeLiteral
	default:
		b.flags |= nodeParameter
	}
}

func (n *nodeSet) node(parent uint64, kind byte, segment string) (uint64, *buildNode) {
	identity := string(append(append(appendUint64(nil, parent), kind), segment...))
	key := hashSeed.string(identity).sum()
	node := n.nodes[key]
	if node == nil {
		node = &buildNode{identity: identity}
		n.nodes[key] = node
		n.inOrder = append(n.inOrder, node)
	}
	if node.identity != identity {
		n.err = errors.New("policy: two path segments have one hash, one of them " + segment + "; rename it")
	}
	return key, node
}

// append encodes a node's fields.
func (b *buildNode) append(fields []byte) []byte {
	fields = append(fields, b.flags, byte(len(b.methods)))
	methods := make([]string, 0, len(b.methods))
	for m := range b.methods {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	for _, m := range methods {
		holders := b.methods[m]
		slices.SortFunc(holders, func(a, b holder) int {
			return strings.Compare(a.product+"/"+a.operation, b.product+"/"+b.operation)
		})
		fields = appendUint16(appendString(fields, m), uint16(len(holders)))
		for _, h := range holders {
			fields = appendString(appendString(fields, h.product), h.operation)
		}
	}
	return fields
}
