package manager

// openAPIObject is a kind of object of an OpenAPI document.
type openAPIObject string

// The objects that refer to others or can have extensions. What stands in none of their fields below
// is a value: an example, a description, a bound of a schema.
const (
	infoObject      openAPIObject = "info"
	tagObject       openAPIObject = "tag"
	operationObject openAPIObject = "operation"
	pathItemObject  openAPIObject = "pathItem"
	parameterObject openAPIObject = "parameter"
	bodyObject      openAPIObject = "requestBody"
	mediaObject     openAPIObject = "mediaType"
	encodingObject  openAPIObject = "encoding"
	headerObject    openAPIObject = "header"
	responseObject  openAPIObject = "response"
	linkObject      openAPIObject = "link"
	callbackObject  openAPIObject = "callback"
	exampleObject   openAPIObject = "example"
	schemaObject    openAPIObject = "schema"
	discriminator   openAPIObject = "discriminator"
	detailObject    openAPIObject = "detail" // refers to nothing, but can have extensions
)

// openAPISections are where in components each kind of object stands.
var openAPISections = map[openAPIObject]string{
	pathItemObject: "pathItems", parameterObject: "parameters", bodyObject: "requestBodies", headerObject: "headers", responseObject: "responses",
	linkObject: "links", callbackObject: "callbacks", exampleObject: "examples", schemaObject: "schemas",
}

// openAPIPart is what stands in a field: one object, a list of them, or, where
// keyed, objects by names that are free.
type openAPIPart struct {
	of    openAPIObject
	keyed bool
}

// openAPIFields are the fields that hold such objects (OpenAPI 3.1.1, section
// 4.8, and JSON Schema 2020-12; 3.0 has fewer).
var openAPIFields = map[openAPIObject]map[string]openAPIPart{
	infoObject: {"contact": {of: detailObject}, "license": {of: detailObject}},
	tagObject:  {"externalDocs": {of: detailObject}},
	operationObject: {
		"parameters": {of: parameterObject}, "requestBody": {of: bodyObject}, "responses": {responseObject, true}, "callbacks": {callbackObject, true},
		"externalDocs": {of: detailObject},
	},
	pathItemObject: {
		"parameters": {of: parameterObject}, "get": {of: operationObject}, "put": {of: operationObject}, "post": {of: operationObject}, "delete": {of: operationObject},
		"options": {of: operationObject}, "head": {of: operationObject}, "patch": {of: operationObject}, "trace": {of: operationObject}, "query": {of: operationObject},
	},
	parameterObject: {"schema": {of: schemaObject}, "content": {mediaObject, true}, "examples": {exampleObject, true}},
	headerObject:    {"schema": {of: schemaObject}, "content": {mediaObject, true}, "examples": {exampleObject, true}},
	bodyObject:      {"content": {mediaObject, true}},
	mediaObject:     {"schema": {of: schemaObject}, "examples": {exampleObject, true}, "encoding": {encodingObject, true}},
	encodingObject:  {"headers": {headerObject, true}},
	responseObject:  {"headers": {headerObject, true}, "content": {mediaObject, true}, "links": {linkObject, true}},
	schemaObject: {
		"allOf": {of: schemaObject}, "anyOf": {of: schemaObject}, "oneOf": {of: schemaObject}, "prefixItems": {of: schemaObject}, "not": {of: schemaObject},
		"if": {of: schemaObject}, "then": {of: schemaObject}, "else": {of: schemaObject}, "items": {of: schemaObject}, "contains": {of: schemaObject},
		"additionalProperties": {of: schemaObject}, "additionalItems": {of: schemaObject}, "propertyNames": {of: schemaObject}, "contentSchema": {of: schemaObject},
		"unevaluatedItems": {of: schemaObject}, "unevaluatedProperties": {of: schemaObject}, "properties": {schemaObject, true}, "patternProperties": {schemaObject, true},
		"dependentSchemas": {schemaObject, true}, "$defs": {schemaObject, true}, "definitions": {schemaObject, true}, "discriminator": {of: discriminator},
		"xml": {of: detailObject}, "externalDocs": {of: detailObject},
	},
}

// The fields of an object that are not for partners: where the provider serves
// the operation, and how it is called there.
var providersFields = map[string]bool{"servers": true, "server": true, "security": true}
