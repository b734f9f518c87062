/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "protobufjs/minimal.js";

// Common aliases
const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError, $TypeError = $util.global.TypeError, $String = $util.global.String, $Number = $util.global.Number, $Array = $util.global.Array;

// Exported root namespace
const $root = $protobuf.roots["default"] || ($protobuf.roots["default"] = {});

export const qbp = $root.qbp = (() => {

    /**
     * Namespace qbp.
     * @exports qbp
     * @namespace
     */
    const qbp = {};

    qbp.Hello = (function() {

        /**
         * Properties of a Hello.
         * @typedef {Object} qbp.Hello.$Properties
         * @property {string|null} [user] Hello user
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Hello.
         * @memberof qbp
         * @interface IHello
         * @augments qbp.Hello.$Properties
         * @deprecated Use qbp.Hello.$Properties instead.
         */

        /**
         * Shape of a Hello.
         * @typedef {qbp.Hello.$Properties} qbp.Hello.$Shape
         */

        /**
         * Constructs a new Hello.
         * @memberof qbp
         * @classdesc Represents a Hello.
         * @constructor
         * @param {qbp.Hello.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Hello = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Hello user.
         * @member {string} user
         * @memberof qbp.Hello
         * @instance
         */
        Hello.prototype.user = "";

        /**
         * Creates a new Hello instance using the specified properties.
         * @function create
         * @memberof qbp.Hello
         * @static
         * @param {qbp.Hello.$Properties=} [properties] Properties to set
         * @returns {qbp.Hello} Hello instance
         * @type {{
         *   (properties: qbp.Hello.$Shape): qbp.Hello & qbp.Hello.$Shape;
         *   (properties?: qbp.Hello.$Properties): qbp.Hello;
         * }}
         */
        Hello.create = function(properties) {
            return new Hello(properties);
        };

        /**
         * Encodes the specified Hello message. Does not implicitly {@link qbp.Hello.verify|verify} messages.
         * @function encode
         * @memberof qbp.Hello
         * @static
         * @param {qbp.Hello.$Properties} message Hello message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Hello.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.user != null && $Object.hasOwnProperty.call(message, "user") && message.user !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.user);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Hello message, length delimited. Does not implicitly {@link qbp.Hello.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Hello
         * @static
         * @param {qbp.Hello.$Properties} message Hello message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Hello.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Hello message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Hello
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Hello & qbp.Hello.$Shape} Hello
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Hello.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Hello();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.user = value;
                        else
                            delete message.user;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Hello message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Hello
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Hello & qbp.Hello.$Shape} Hello
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Hello.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Hello message.
         * @function verify
         * @memberof qbp.Hello
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Hello.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.user != null && $Object.hasOwnProperty.call(message, "user"))
                if (!$util.isString(message.user))
                    return "user: string expected";
            return null;
        };

        /**
         * Creates a Hello message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Hello
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Hello} Hello
         */
        Hello.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Hello)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Hello: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Hello();
            if (object.user != null)
                if (typeof object.user !== "string" || object.user.length)
                    message.user = $String(object.user);
            return message;
        };

        /**
         * Creates a plain object from a Hello message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Hello
         * @static
         * @param {qbp.Hello} message Hello
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Hello.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults)
                object.user = "";
            if (message.user != null && $Object.hasOwnProperty.call(message, "user"))
                object.user = message.user;
            return object;
        };

        /**
         * Converts this Hello to JSON.
         * @function toJSON
         * @memberof qbp.Hello
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Hello.prototype.toJSON = function() {
            return Hello.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Hello
         * @function getTypeUrl
         * @memberof qbp.Hello
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Hello.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Hello";
        };

        return Hello;
    })();

    qbp.Welcome = (function() {

        /**
         * Properties of a Welcome.
         * @typedef {Object} qbp.Welcome.$Properties
         * @property {number|null} [session] Welcome session
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Welcome.
         * @memberof qbp
         * @interface IWelcome
         * @augments qbp.Welcome.$Properties
         * @deprecated Use qbp.Welcome.$Properties instead.
         */

        /**
         * Shape of a Welcome.
         * @typedef {qbp.Welcome.$Properties} qbp.Welcome.$Shape
         */

        /**
         * Constructs a new Welcome.
         * @memberof qbp
         * @classdesc Represents a Welcome.
         * @constructor
         * @param {qbp.Welcome.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Welcome = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Welcome session.
         * @member {number} session
         * @memberof qbp.Welcome
         * @instance
         */
        Welcome.prototype.session = 0;

        /**
         * Creates a new Welcome instance using the specified properties.
         * @function create
         * @memberof qbp.Welcome
         * @static
         * @param {qbp.Welcome.$Properties=} [properties] Properties to set
         * @returns {qbp.Welcome} Welcome instance
         * @type {{
         *   (properties: qbp.Welcome.$Shape): qbp.Welcome & qbp.Welcome.$Shape;
         *   (properties?: qbp.Welcome.$Properties): qbp.Welcome;
         * }}
         */
        Welcome.create = function(properties) {
            return new Welcome(properties);
        };

        /**
         * Encodes the specified Welcome message. Does not implicitly {@link qbp.Welcome.verify|verify} messages.
         * @function encode
         * @memberof qbp.Welcome
         * @static
         * @param {qbp.Welcome.$Properties} message Welcome message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Welcome.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.session != null && $Object.hasOwnProperty.call(message, "session") && message.session !== 0)
                writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.session);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Welcome message, length delimited. Does not implicitly {@link qbp.Welcome.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Welcome
         * @static
         * @param {qbp.Welcome.$Properties} message Welcome message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Welcome.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Welcome message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Welcome
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Welcome & qbp.Welcome.$Shape} Welcome
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Welcome.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Welcome();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 0)
                            break;
                        if (value = reader.uint32())
                            message.session = value;
                        else
                            delete message.session;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Welcome message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Welcome
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Welcome & qbp.Welcome.$Shape} Welcome
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Welcome.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Welcome message.
         * @function verify
         * @memberof qbp.Welcome
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Welcome.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.session != null && $Object.hasOwnProperty.call(message, "session"))
                if (!$util.isInteger(message.session))
                    return "session: integer expected";
            return null;
        };

        /**
         * Creates a Welcome message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Welcome
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Welcome} Welcome
         */
        Welcome.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Welcome)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Welcome: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Welcome();
            if (object.session != null)
                if ($Number(object.session) !== 0)
                    message.session = object.session >>> 0;
            return message;
        };

        /**
         * Creates a plain object from a Welcome message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Welcome
         * @static
         * @param {qbp.Welcome} message Welcome
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Welcome.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults)
                object.session = 0;
            if (message.session != null && $Object.hasOwnProperty.call(message, "session"))
                object.session = message.session;
            return object;
        };

        /**
         * Converts this Welcome to JSON.
         * @function toJSON
         * @memberof qbp.Welcome
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Welcome.prototype.toJSON = function() {
            return Welcome.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Welcome
         * @function getTypeUrl
         * @memberof qbp.Welcome
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Welcome.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Welcome";
        };

        return Welcome;
    })();

    qbp.Join = (function() {

        /**
         * Properties of a Join.
         * @typedef {Object} qbp.Join.$Properties
         * @property {string|null} [room] Join room
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Join.
         * @memberof qbp
         * @interface IJoin
         * @augments qbp.Join.$Properties
         * @deprecated Use qbp.Join.$Properties instead.
         */

        /**
         * Shape of a Join.
         * @typedef {qbp.Join.$Properties} qbp.Join.$Shape
         */

        /**
         * Constructs a new Join.
         * @memberof qbp
         * @classdesc Represents a Join.
         * @constructor
         * @param {qbp.Join.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Join = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Join room.
         * @member {string} room
         * @memberof qbp.Join
         * @instance
         */
        Join.prototype.room = "";

        /**
         * Creates a new Join instance using the specified properties.
         * @function create
         * @memberof qbp.Join
         * @static
         * @param {qbp.Join.$Properties=} [properties] Properties to set
         * @returns {qbp.Join} Join instance
         * @type {{
         *   (properties: qbp.Join.$Shape): qbp.Join & qbp.Join.$Shape;
         *   (properties?: qbp.Join.$Properties): qbp.Join;
         * }}
         */
        Join.create = function(properties) {
            return new Join(properties);
        };

        /**
         * Encodes the specified Join message. Does not implicitly {@link qbp.Join.verify|verify} messages.
         * @function encode
         * @memberof qbp.Join
         * @static
         * @param {qbp.Join.$Properties} message Join message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Join.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.room != null && $Object.hasOwnProperty.call(message, "room") && message.room !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.room);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Join message, length delimited. Does not implicitly {@link qbp.Join.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Join
         * @static
         * @param {qbp.Join.$Properties} message Join message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Join.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Join message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Join
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Join & qbp.Join.$Shape} Join
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Join.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Join();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.room = value;
                        else
                            delete message.room;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Join message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Join
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Join & qbp.Join.$Shape} Join
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Join.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Join message.
         * @function verify
         * @memberof qbp.Join
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Join.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                if (!$util.isString(message.room))
                    return "room: string expected";
            return null;
        };

        /**
         * Creates a Join message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Join
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Join} Join
         */
        Join.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Join)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Join: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Join();
            if (object.room != null)
                if (typeof object.room !== "string" || object.room.length)
                    message.room = $String(object.room);
            return message;
        };

        /**
         * Creates a plain object from a Join message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Join
         * @static
         * @param {qbp.Join} message Join
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Join.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults)
                object.room = "";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                object.room = message.room;
            return object;
        };

        /**
         * Converts this Join to JSON.
         * @function toJSON
         * @memberof qbp.Join
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Join.prototype.toJSON = function() {
            return Join.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Join
         * @function getTypeUrl
         * @memberof qbp.Join
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Join.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Join";
        };

        return Join;
    })();

    qbp.Joined = (function() {

        /**
         * Properties of a Joined.
         * @typedef {Object} qbp.Joined.$Properties
         * @property {string|null} [room] Joined room
         * @property {Array.<string>|null} [members] Joined members
         * @property {Array.<qbp.Said.$Properties>|null} [history] Joined history
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Joined.
         * @memberof qbp
         * @interface IJoined
         * @augments qbp.Joined.$Properties
         * @deprecated Use qbp.Joined.$Properties instead.
         */

        /**
         * Shape of a Joined.
         * @typedef {qbp.Joined.$Properties} qbp.Joined.$Shape
         */

        /**
         * Constructs a new Joined.
         * @memberof qbp
         * @classdesc Represents a Joined.
         * @constructor
         * @param {qbp.Joined.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Joined = function (properties) {
            this.members = [];
            this.history = [];
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Joined room.
         * @member {string} room
         * @memberof qbp.Joined
         * @instance
         */
        Joined.prototype.room = "";

        /**
         * Joined members.
         * @member {Array.<string>} members
         * @memberof qbp.Joined
         * @instance
         */
        Joined.prototype.members = $util.emptyArray;

        /**
         * Joined history.
         * @member {Array.<qbp.Said.$Properties>} history
         * @memberof qbp.Joined
         * @instance
         */
        Joined.prototype.history = $util.emptyArray;

        /**
         * Creates a new Joined instance using the specified properties.
         * @function create
         * @memberof qbp.Joined
         * @static
         * @param {qbp.Joined.$Properties=} [properties] Properties to set
         * @returns {qbp.Joined} Joined instance
         * @type {{
         *   (properties: qbp.Joined.$Shape): qbp.Joined & qbp.Joined.$Shape;
         *   (properties?: qbp.Joined.$Properties): qbp.Joined;
         * }}
         */
        Joined.create = function(properties) {
            return new Joined(properties);
        };

        /**
         * Encodes the specified Joined message. Does not implicitly {@link qbp.Joined.verify|verify} messages.
         * @function encode
         * @memberof qbp.Joined
         * @static
         * @param {qbp.Joined.$Properties} message Joined message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Joined.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.room != null && $Object.hasOwnProperty.call(message, "room") && message.room !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.room);
            if (message.members != null && message.members.length)
                for (let i = 0; i < message.members.length; ++i)
                    writer.uint32(/* id 2, wireType 2 =*/18).string(message.members[i]);
            if (message.history != null && message.history.length)
                for (let i = 0; i < message.history.length; ++i)
                    $root.qbp.Said.encode(message.history[i], writer.uint32(/* id 3, wireType 2 =*/26).fork(), _depth + 1).ldelim();
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Joined message, length delimited. Does not implicitly {@link qbp.Joined.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Joined
         * @static
         * @param {qbp.Joined.$Properties} message Joined message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Joined.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Joined message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Joined
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Joined & qbp.Joined.$Shape} Joined
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Joined.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Joined();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.room = value;
                        else
                            delete message.room;
                        continue;
                    }
                case 2: {
                        if (wireType !== 2)
                            break;
                        if (!(message.members && message.members.length))
                            message.members = [];
                        message.members.push(reader.stringVerify());
                        continue;
                    }
                case 3: {
                        if (wireType !== 2)
                            break;
                        if (!(message.history && message.history.length))
                            message.history = [];
                        message.history.push($root.qbp.Said.decode(reader, reader.size(), $undefined, _depth + 1));
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Joined message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Joined
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Joined & qbp.Joined.$Shape} Joined
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Joined.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Joined message.
         * @function verify
         * @memberof qbp.Joined
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Joined.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                if (!$util.isString(message.room))
                    return "room: string expected";
            if (message.members != null && $Object.hasOwnProperty.call(message, "members")) {
                if (!$Array.isArray(message.members))
                    return "members: array expected";
                for (let i = 0; i < message.members.length; ++i)
                    if (!$util.isString(message.members[i]))
                        return "members: string[] expected";
            }
            if (message.history != null && $Object.hasOwnProperty.call(message, "history")) {
                if (!$Array.isArray(message.history))
                    return "history: array expected";
                for (let i = 0; i < message.history.length; ++i) {
                    let error = $root.qbp.Said.verify(message.history[i], _depth + 1);
                    if (error)
                        return "history." + error;
                }
            }
            return null;
        };

        /**
         * Creates a Joined message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Joined
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Joined} Joined
         */
        Joined.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Joined)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Joined: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Joined();
            if (object.room != null)
                if (typeof object.room !== "string" || object.room.length)
                    message.room = $String(object.room);
            if (object.members) {
                if (!$Array.isArray(object.members))
                    throw $TypeError(".qbp.Joined.members: array expected");
                message.members = $Array(object.members.length);
                for (let i = 0; i < object.members.length; ++i)
                    message.members[i] = $String(object.members[i]);
            }
            if (object.history) {
                if (!$Array.isArray(object.history))
                    throw $TypeError(".qbp.Joined.history: array expected");
                message.history = $Array(object.history.length);
                for (let i = 0; i < object.history.length; ++i) {
                    if (!$util.isObject(object.history[i]))
                        throw $TypeError(".qbp.Joined.history: object expected");
                    message.history[i] = $root.qbp.Said.fromObject(object.history[i], _depth + 1);
                }
            }
            return message;
        };

        /**
         * Creates a plain object from a Joined message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Joined
         * @static
         * @param {qbp.Joined} message Joined
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Joined.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.arrays || options.defaults) {
                object.members = [];
                object.history = [];
            }
            if (options.defaults)
                object.room = "";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                object.room = message.room;
            if (message.members && message.members.length) {
                object.members = $Array(message.members.length);
                for (let j = 0; j < message.members.length; ++j)
                    object.members[j] = message.members[j];
            }
            if (message.history && message.history.length) {
                object.history = $Array(message.history.length);
                for (let j = 0; j < message.history.length; ++j)
                    object.history[j] = $root.qbp.Said.toObject(message.history[j], options, _depth + 1);
            }
            return object;
        };

        /**
         * Converts this Joined to JSON.
         * @function toJSON
         * @memberof qbp.Joined
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Joined.prototype.toJSON = function() {
            return Joined.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Joined
         * @function getTypeUrl
         * @memberof qbp.Joined
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Joined.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Joined";
        };

        return Joined;
    })();

    qbp.Leave = (function() {

        /**
         * Properties of a Leave.
         * @typedef {Object} qbp.Leave.$Properties
         * @property {string|null} [room] Leave room
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Leave.
         * @memberof qbp
         * @interface ILeave
         * @augments qbp.Leave.$Properties
         * @deprecated Use qbp.Leave.$Properties instead.
         */

        /**
         * Shape of a Leave.
         * @typedef {qbp.Leave.$Properties} qbp.Leave.$Shape
         */

        /**
         * Constructs a new Leave.
         * @memberof qbp
         * @classdesc Represents a Leave.
         * @constructor
         * @param {qbp.Leave.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Leave = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Leave room.
         * @member {string} room
         * @memberof qbp.Leave
         * @instance
         */
        Leave.prototype.room = "";

        /**
         * Creates a new Leave instance using the specified properties.
         * @function create
         * @memberof qbp.Leave
         * @static
         * @param {qbp.Leave.$Properties=} [properties] Properties to set
         * @returns {qbp.Leave} Leave instance
         * @type {{
         *   (properties: qbp.Leave.$Shape): qbp.Leave & qbp.Leave.$Shape;
         *   (properties?: qbp.Leave.$Properties): qbp.Leave;
         * }}
         */
        Leave.create = function(properties) {
            return new Leave(properties);
        };

        /**
         * Encodes the specified Leave message. Does not implicitly {@link qbp.Leave.verify|verify} messages.
         * @function encode
         * @memberof qbp.Leave
         * @static
         * @param {qbp.Leave.$Properties} message Leave message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Leave.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.room != null && $Object.hasOwnProperty.call(message, "room") && message.room !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.room);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Leave message, length delimited. Does not implicitly {@link qbp.Leave.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Leave
         * @static
         * @param {qbp.Leave.$Properties} message Leave message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Leave.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Leave message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Leave
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Leave & qbp.Leave.$Shape} Leave
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Leave.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Leave();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.room = value;
                        else
                            delete message.room;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Leave message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Leave
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Leave & qbp.Leave.$Shape} Leave
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Leave.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Leave message.
         * @function verify
         * @memberof qbp.Leave
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Leave.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                if (!$util.isString(message.room))
                    return "room: string expected";
            return null;
        };

        /**
         * Creates a Leave message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Leave
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Leave} Leave
         */
        Leave.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Leave)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Leave: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Leave();
            if (object.room != null)
                if (typeof object.room !== "string" || object.room.length)
                    message.room = $String(object.room);
            return message;
        };

        /**
         * Creates a plain object from a Leave message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Leave
         * @static
         * @param {qbp.Leave} message Leave
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Leave.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults)
                object.room = "";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                object.room = message.room;
            return object;
        };

        /**
         * Converts this Leave to JSON.
         * @function toJSON
         * @memberof qbp.Leave
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Leave.prototype.toJSON = function() {
            return Leave.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Leave
         * @function getTypeUrl
         * @memberof qbp.Leave
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Leave.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Leave";
        };

        return Leave;
    })();

    qbp.Say = (function() {

        /**
         * Properties of a Say.
         * @typedef {Object} qbp.Say.$Properties
         * @property {string|null} [room] Say room
         * @property {string|null} [text] Say text
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Say.
         * @memberof qbp
         * @interface ISay
         * @augments qbp.Say.$Properties
         * @deprecated Use qbp.Say.$Properties instead.
         */

        /**
         * Shape of a Say.
         * @typedef {qbp.Say.$Properties} qbp.Say.$Shape
         */

        /**
         * Constructs a new Say.
         * @memberof qbp
         * @classdesc Represents a Say.
         * @constructor
         * @param {qbp.Say.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Say = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Say room.
         * @member {string} room
         * @memberof qbp.Say
         * @instance
         */
        Say.prototype.room = "";

        /**
         * Say text.
         * @member {string} text
         * @memberof qbp.Say
         * @instance
         */
        Say.prototype.text = "";

        /**
         * Creates a new Say instance using the specified properties.
         * @function create
         * @memberof qbp.Say
         * @static
         * @param {qbp.Say.$Properties=} [properties] Properties to set
         * @returns {qbp.Say} Say instance
         * @type {{
         *   (properties: qbp.Say.$Shape): qbp.Say & qbp.Say.$Shape;
         *   (properties?: qbp.Say.$Properties): qbp.Say;
         * }}
         */
        Say.create = function(properties) {
            return new Say(properties);
        };

        /**
         * Encodes the specified Say message. Does not implicitly {@link qbp.Say.verify|verify} messages.
         * @function encode
         * @memberof qbp.Say
         * @static
         * @param {qbp.Say.$Properties} message Say message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Say.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.room != null && $Object.hasOwnProperty.call(message, "room") && message.room !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.room);
            if (message.text != null && $Object.hasOwnProperty.call(message, "text") && message.text !== "")
                writer.uint32(/* id 2, wireType 2 =*/18).string(message.text);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Say message, length delimited. Does not implicitly {@link qbp.Say.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Say
         * @static
         * @param {qbp.Say.$Properties} message Say message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Say.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Say message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Say
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Say & qbp.Say.$Shape} Say
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Say.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Say();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.room = value;
                        else
                            delete message.room;
                        continue;
                    }
                case 2: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.text = value;
                        else
                            delete message.text;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Say message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Say
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Say & qbp.Say.$Shape} Say
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Say.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Say message.
         * @function verify
         * @memberof qbp.Say
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Say.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                if (!$util.isString(message.room))
                    return "room: string expected";
            if (message.text != null && $Object.hasOwnProperty.call(message, "text"))
                if (!$util.isString(message.text))
                    return "text: string expected";
            return null;
        };

        /**
         * Creates a Say message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Say
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Say} Say
         */
        Say.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Say)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Say: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Say();
            if (object.room != null)
                if (typeof object.room !== "string" || object.room.length)
                    message.room = $String(object.room);
            if (object.text != null)
                if (typeof object.text !== "string" || object.text.length)
                    message.text = $String(object.text);
            return message;
        };

        /**
         * Creates a plain object from a Say message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Say
         * @static
         * @param {qbp.Say} message Say
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Say.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults) {
                object.room = "";
                object.text = "";
            }
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                object.room = message.room;
            if (message.text != null && $Object.hasOwnProperty.call(message, "text"))
                object.text = message.text;
            return object;
        };

        /**
         * Converts this Say to JSON.
         * @function toJSON
         * @memberof qbp.Say
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Say.prototype.toJSON = function() {
            return Say.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Say
         * @function getTypeUrl
         * @memberof qbp.Say
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Say.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Say";
        };

        return Say;
    })();

    qbp.Said = (function() {

        /**
         * Properties of a Said.
         * @typedef {Object} qbp.Said.$Properties
         * @property {string|null} [room] Said room
         * @property {number|null} [number] Said number
         * @property {string|null} [user] Said user
         * @property {string|null} [text] Said text
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Said.
         * @memberof qbp
         * @interface ISaid
         * @augments qbp.Said.$Properties
         * @deprecated Use qbp.Said.$Properties instead.
         */

        /**
         * Shape of a Said.
         * @typedef {qbp.Said.$Properties} qbp.Said.$Shape
         */

        /**
         * Constructs a new Said.
         * @memberof qbp
         * @classdesc Represents a Said.
         * @constructor
         * @param {qbp.Said.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Said = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Said room.
         * @member {string} room
         * @memberof qbp.Said
         * @instance
         */
        Said.prototype.room = "";

        /**
         * Said number.
         * @member {number} number
         * @memberof qbp.Said
         * @instance
         */
        Said.prototype.number = 0;

        /**
         * Said user.
         * @member {string} user
         * @memberof qbp.Said
         * @instance
         */
        Said.prototype.user = "";

        /**
         * Said text.
         * @member {string} text
         * @memberof qbp.Said
         * @instance
         */
        Said.prototype.text = "";

        /**
         * Creates a new Said instance using the specified properties.
         * @function create
         * @memberof qbp.Said
         * @static
         * @param {qbp.Said.$Properties=} [properties] Properties to set
         * @returns {qbp.Said} Said instance
         * @type {{
         *   (properties: qbp.Said.$Shape): qbp.Said & qbp.Said.$Shape;
         *   (properties?: qbp.Said.$Properties): qbp.Said;
         * }}
         */
        Said.create = function(properties) {
            return new Said(properties);
        };

        /**
         * Encodes the specified Said message. Does not implicitly {@link qbp.Said.verify|verify} messages.
         * @function encode
         * @memberof qbp.Said
         * @static
         * @param {qbp.Said.$Properties} message Said message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Said.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.room != null && $Object.hasOwnProperty.call(message, "room") && message.room !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.room);
            if (message.number != null && $Object.hasOwnProperty.call(message, "number") && message.number !== 0)
                writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.number);
            if (message.user != null && $Object.hasOwnProperty.call(message, "user") && message.user !== "")
                writer.uint32(/* id 3, wireType 2 =*/26).string(message.user);
            if (message.text != null && $Object.hasOwnProperty.call(message, "text") && message.text !== "")
                writer.uint32(/* id 4, wireType 2 =*/34).string(message.text);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Said message, length delimited. Does not implicitly {@link qbp.Said.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Said
         * @static
         * @param {qbp.Said.$Properties} message Said message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Said.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Said message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Said
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Said & qbp.Said.$Shape} Said
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Said.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Said();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.room = value;
                        else
                            delete message.room;
                        continue;
                    }
                case 2: {
                        if (wireType !== 0)
                            break;
                        if (value = reader.uint32())
                            message.number = value;
                        else
                            delete message.number;
                        continue;
                    }
                case 3: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.user = value;
                        else
                            delete message.user;
                        continue;
                    }
                case 4: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.text = value;
                        else
                            delete message.text;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Said message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Said
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Said & qbp.Said.$Shape} Said
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Said.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Said message.
         * @function verify
         * @memberof qbp.Said
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Said.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                if (!$util.isString(message.room))
                    return "room: string expected";
            if (message.number != null && $Object.hasOwnProperty.call(message, "number"))
                if (!$util.isInteger(message.number))
                    return "number: integer expected";
            if (message.user != null && $Object.hasOwnProperty.call(message, "user"))
                if (!$util.isString(message.user))
                    return "user: string expected";
            if (message.text != null && $Object.hasOwnProperty.call(message, "text"))
                if (!$util.isString(message.text))
                    return "text: string expected";
            return null;
        };

        /**
         * Creates a Said message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Said
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Said} Said
         */
        Said.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Said)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Said: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Said();
            if (object.room != null)
                if (typeof object.room !== "string" || object.room.length)
                    message.room = $String(object.room);
            if (object.number != null)
                if ($Number(object.number) !== 0)
                    message.number = object.number >>> 0;
            if (object.user != null)
                if (typeof object.user !== "string" || object.user.length)
                    message.user = $String(object.user);
            if (object.text != null)
                if (typeof object.text !== "string" || object.text.length)
                    message.text = $String(object.text);
            return message;
        };

        /**
         * Creates a plain object from a Said message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Said
         * @static
         * @param {qbp.Said} message Said
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Said.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults) {
                object.room = "";
                object.number = 0;
                object.user = "";
                object.text = "";
            }
            if (message.room != null && $Object.hasOwnProperty.call(message, "room"))
                object.room = message.room;
            if (message.number != null && $Object.hasOwnProperty.call(message, "number"))
                object.number = message.number;
            if (message.user != null && $Object.hasOwnProperty.call(message, "user"))
                object.user = message.user;
            if (message.text != null && $Object.hasOwnProperty.call(message, "text"))
                object.text = message.text;
            return object;
        };

        /**
         * Converts this Said to JSON.
         * @function toJSON
         * @memberof qbp.Said
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Said.prototype.toJSON = function() {
            return Said.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Said
         * @function getTypeUrl
         * @memberof qbp.Said
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Said.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Said";
        };

        return Said;
    })();

    qbp.Refused = (function() {

        /**
         * Properties of a Refused.
         * @typedef {Object} qbp.Refused.$Properties
         * @property {string|null} [reason] Refused reason
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Refused.
         * @memberof qbp
         * @interface IRefused
         * @augments qbp.Refused.$Properties
         * @deprecated Use qbp.Refused.$Properties instead.
         */

        /**
         * Shape of a Refused.
         * @typedef {qbp.Refused.$Properties} qbp.Refused.$Shape
         */

        /**
         * Constructs a new Refused.
         * @memberof qbp
         * @classdesc Represents a Refused.
         * @constructor
         * @param {qbp.Refused.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Refused = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Refused reason.
         * @member {string} reason
         * @memberof qbp.Refused
         * @instance
         */
        Refused.prototype.reason = "";

        /**
         * Creates a new Refused instance using the specified properties.
         * @function create
         * @memberof qbp.Refused
         * @static
         * @param {qbp.Refused.$Properties=} [properties] Properties to set
         * @returns {qbp.Refused} Refused instance
         * @type {{
         *   (properties: qbp.Refused.$Shape): qbp.Refused & qbp.Refused.$Shape;
         *   (properties?: qbp.Refused.$Properties): qbp.Refused;
         * }}
         */
        Refused.create = function(properties) {
            return new Refused(properties);
        };

        /**
         * Encodes the specified Refused message. Does not implicitly {@link qbp.Refused.verify|verify} messages.
         * @function encode
         * @memberof qbp.Refused
         * @static
         * @param {qbp.Refused.$Properties} message Refused message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Refused.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.reason != null && $Object.hasOwnProperty.call(message, "reason") && message.reason !== "")
                writer.uint32(/* id 1, wireType 2 =*/10).string(message.reason);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Refused message, length delimited. Does not implicitly {@link qbp.Refused.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Refused
         * @static
         * @param {qbp.Refused.$Properties} message Refused message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Refused.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Refused message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Refused
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Refused & qbp.Refused.$Shape} Refused
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Refused.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Refused();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 2)
                            break;
                        if ((value = reader.stringVerify()).length)
                            message.reason = value;
                        else
                            delete message.reason;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Refused message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Refused
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Refused & qbp.Refused.$Shape} Refused
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Refused.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Refused message.
         * @function verify
         * @memberof qbp.Refused
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Refused.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.reason != null && $Object.hasOwnProperty.call(message, "reason"))
                if (!$util.isString(message.reason))
                    return "reason: string expected";
            return null;
        };

        /**
         * Creates a Refused message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Refused
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Refused} Refused
         */
        Refused.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Refused)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Refused: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Refused();
            if (object.reason != null)
                if (typeof object.reason !== "string" || object.reason.length)
                    message.reason = $String(object.reason);
            return message;
        };

        /**
         * Creates a plain object from a Refused message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Refused
         * @static
         * @param {qbp.Refused} message Refused
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Refused.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults)
                object.reason = "";
            if (message.reason != null && $Object.hasOwnProperty.call(message, "reason"))
                object.reason = message.reason;
            return object;
        };

        /**
         * Converts this Refused to JSON.
         * @function toJSON
         * @memberof qbp.Refused
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Refused.prototype.toJSON = function() {
            return Refused.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Refused
         * @function getTypeUrl
         * @memberof qbp.Refused
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Refused.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Refused";
        };

        return Refused;
    })();

    qbp.Bye = (function() {

        /**
         * Properties of a Bye.
         * @typedef {Object} qbp.Bye.$Properties
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Bye.
         * @memberof qbp
         * @interface IBye
         * @augments qbp.Bye.$Properties
         * @deprecated Use qbp.Bye.$Properties instead.
         */

        /**
         * Shape of a Bye.
         * @typedef {qbp.Bye.$Properties} qbp.Bye.$Shape
         */

        /**
         * Constructs a new Bye.
         * @memberof qbp
         * @classdesc Represents a Bye.
         * @constructor
         * @param {qbp.Bye.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Bye = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Creates a new Bye instance using the specified properties.
         * @function create
         * @memberof qbp.Bye
         * @static
         * @param {qbp.Bye.$Properties=} [properties] Properties to set
         * @returns {qbp.Bye} Bye instance
         * @type {{
         *   (properties: qbp.Bye.$Shape): qbp.Bye & qbp.Bye.$Shape;
         *   (properties?: qbp.Bye.$Properties): qbp.Bye;
         * }}
         */
        Bye.create = function(properties) {
            return new Bye(properties);
        };

        /**
         * Encodes the specified Bye message. Does not implicitly {@link qbp.Bye.verify|verify} messages.
         * @function encode
         * @memberof qbp.Bye
         * @static
         * @param {qbp.Bye.$Properties} message Bye message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Bye.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Bye message, length delimited. Does not implicitly {@link qbp.Bye.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Bye
         * @static
         * @param {qbp.Bye.$Properties} message Bye message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Bye.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Bye message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Bye
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Bye & qbp.Bye.$Shape} Bye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Bye.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Bye();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                reader.skipType(tag & 7, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Bye message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Bye
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Bye & qbp.Bye.$Shape} Bye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Bye.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Bye message.
         * @function verify
         * @memberof qbp.Bye
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Bye.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            return null;
        };

        /**
         * Creates a Bye message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Bye
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Bye} Bye
         */
        Bye.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Bye)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Bye: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            return new $root.qbp.Bye();
        };

        /**
         * Creates a plain object from a Bye message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Bye
         * @static
         * @param {qbp.Bye} message Bye
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Bye.toObject = function () {
            return {};
        };

        /**
         * Converts this Bye to JSON.
         * @function toJSON
         * @memberof qbp.Bye
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Bye.prototype.toJSON = function() {
            return Bye.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Bye
         * @function getTypeUrl
         * @memberof qbp.Bye
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Bye.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Bye";
        };

        return Bye;
    })();

    qbp.Goodbye = (function() {

        /**
         * Properties of a Goodbye.
         * @typedef {Object} qbp.Goodbye.$Properties
         * @property {number|null} [received] Goodbye received
         * @property {number|null} [sent] Goodbye sent
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */

        /**
         * Properties of a Goodbye.
         * @memberof qbp
         * @interface IGoodbye
         * @augments qbp.Goodbye.$Properties
         * @deprecated Use qbp.Goodbye.$Properties instead.
         */

        /**
         * Shape of a Goodbye.
         * @typedef {qbp.Goodbye.$Properties} qbp.Goodbye.$Shape
         */

        /**
         * Constructs a new Goodbye.
         * @memberof qbp
         * @classdesc Represents a Goodbye.
         * @constructor
         * @param {qbp.Goodbye.$Properties=} [properties] Properties to set
         * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
         */
        const Goodbye = function (properties) {
            if (properties)
                for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                    if (properties[keys[i]] != null && keys[i] !== "__proto__")
                        this[keys[i]] = properties[keys[i]];
        };

        /**
         * Goodbye received.
         * @member {number} received
         * @memberof qbp.Goodbye
         * @instance
         */
        Goodbye.prototype.received = 0;

        /**
         * Goodbye sent.
         * @member {number} sent
         * @memberof qbp.Goodbye
         * @instance
         */
        Goodbye.prototype.sent = 0;

        /**
         * Creates a new Goodbye instance using the specified properties.
         * @function create
         * @memberof qbp.Goodbye
         * @static
         * @param {qbp.Goodbye.$Properties=} [properties] Properties to set
         * @returns {qbp.Goodbye} Goodbye instance
         * @type {{
         *   (properties: qbp.Goodbye.$Shape): qbp.Goodbye & qbp.Goodbye.$Shape;
         *   (properties?: qbp.Goodbye.$Properties): qbp.Goodbye;
         * }}
         */
        Goodbye.create = function(properties) {
            return new Goodbye(properties);
        };

        /**
         * Encodes the specified Goodbye message. Does not implicitly {@link qbp.Goodbye.verify|verify} messages.
         * @function encode
         * @memberof qbp.Goodbye
         * @static
         * @param {qbp.Goodbye.$Properties} message Goodbye message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Goodbye.encode = function (message, writer, _depth) {
            if (!writer)
                writer = $Writer.create();
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            if (message.received != null && $Object.hasOwnProperty.call(message, "received") && message.received !== 0)
                writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.received);
            if (message.sent != null && $Object.hasOwnProperty.call(message, "sent") && message.sent !== 0)
                writer.uint32(/* id 2, wireType 0 =*/16).uint32(message.sent);
            if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                for (let i = 0; i < message.$unknowns.length; ++i)
                    writer.raw(message.$unknowns[i]);
            return writer;
        };

        /**
         * Encodes the specified Goodbye message, length delimited. Does not implicitly {@link qbp.Goodbye.verify|verify} messages.
         * @function encodeDelimited
         * @memberof qbp.Goodbye
         * @static
         * @param {qbp.Goodbye.$Properties} message Goodbye message or plain object to encode
         * @param {$protobuf.Writer} [writer] Writer to encode to
         * @returns {$protobuf.Writer} Writer
         */
        Goodbye.encodeDelimited = function(message, writer) {
            return this.encode(message, (writer || $Writer.create()).fork()).ldelim();
        };

        /**
         * Decodes a Goodbye message from the specified reader or buffer.
         * @function decode
         * @memberof qbp.Goodbye
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @param {number} [length] Message length if known beforehand
         * @returns {qbp.Goodbye & qbp.Goodbye.$Shape} Goodbye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Goodbye.decode = function (reader, length, _end, _depth, _target) {
            if (!(reader instanceof $Reader))
                reader = $Reader.create(reader);
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $Reader.recursionLimit)
                throw $Error("max depth exceeded");
            let end, message, value;
            if (length === $undefined)
                end = reader.len;
            else {
                end = reader.pos + length;
                if (end > reader.len)
                    throw $RangeError("index out of range");
                length = reader.len;
                reader.len = end;
            }
            message = _target || new $root.qbp.Goodbye();
            while (reader.pos < end) {
                let start = reader.pos;
                let tag = reader.tag();
                if (tag === _end) {
                    _end = $undefined;
                    break;
                }
                let wireType = tag & 7;
                switch (tag >>>= 3) {
                case 1: {
                        if (wireType !== 0)
                            break;
                        if (value = reader.uint32())
                            message.received = value;
                        else
                            delete message.received;
                        continue;
                    }
                case 2: {
                        if (wireType !== 0)
                            break;
                        if (value = reader.uint32())
                            message.sent = value;
                        else
                            delete message.sent;
                        continue;
                    }
                }
                reader.skipType(wireType, _depth, tag);
                if (!reader.discardUnknown) {
                    $util.makeProp(message, "$unknowns", false);
                    (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                }
            }
            if (length !== $undefined) {
                if (reader.pos !== end)
                    throw $RangeError("index out of range");
                reader.len = length;
            }
            if (_end !== $undefined)
                throw $Error("missing end group");
            return message;
        };

        /**
         * Decodes a Goodbye message from the specified reader or buffer, length delimited.
         * @function decodeDelimited
         * @memberof qbp.Goodbye
         * @static
         * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
         * @returns {qbp.Goodbye & qbp.Goodbye.$Shape} Goodbye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        Goodbye.decodeDelimited = function(reader) {
            if (!(reader instanceof $Reader))
                reader = new $Reader(reader);
            return this.decode(reader, reader.size());
        };

        /**
         * Verifies a Goodbye message.
         * @function verify
         * @memberof qbp.Goodbye
         * @static
         * @param {Object.<string,*>} message Plain object to verify
         * @returns {string|null} `null` if valid, otherwise the reason why it is not
         */
        Goodbye.verify = function (message, _depth) {
            if (typeof message !== "object" || message === null)
                return "object expected";
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                return "max depth exceeded";
            if (message.received != null && $Object.hasOwnProperty.call(message, "received"))
                if (!$util.isInteger(message.received))
                    return "received: integer expected";
            if (message.sent != null && $Object.hasOwnProperty.call(message, "sent"))
                if (!$util.isInteger(message.sent))
                    return "sent: integer expected";
            return null;
        };

        /**
         * Creates a Goodbye message from a plain object. Also converts values to their respective internal types.
         * @function fromObject
         * @memberof qbp.Goodbye
         * @static
         * @param {Object.<string,*>} object Plain object
         * @returns {qbp.Goodbye} Goodbye
         */
        Goodbye.fromObject = function (object, _depth) {
            if (object instanceof $root.qbp.Goodbye)
                return object;
            if (!$util.isObject(object))
                throw $TypeError(".qbp.Goodbye: object expected");
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let message = new $root.qbp.Goodbye();
            if (object.received != null)
                if ($Number(object.received) !== 0)
                    message.received = object.received >>> 0;
            if (object.sent != null)
                if ($Number(object.sent) !== 0)
                    message.sent = object.sent >>> 0;
            return message;
        };

        /**
         * Creates a plain object from a Goodbye message. Also converts values to other types if specified.
         * @function toObject
         * @memberof qbp.Goodbye
         * @static
         * @param {qbp.Goodbye} message Goodbye
         * @param {$protobuf.IConversionOptions} [options] Conversion options
         * @returns {Object.<string,*>} Plain object
         */
        Goodbye.toObject = function (message, options, _depth) {
            if (!options)
                options = {};
            if (_depth === $undefined)
                _depth = 0;
            if (_depth > $util.recursionLimit)
                throw $Error("max depth exceeded");
            let object = {};
            if (options.defaults) {
                object.received = 0;
                object.sent = 0;
            }
            if (message.received != null && $Object.hasOwnProperty.call(message, "received"))
                object.received = message.received;
            if (message.sent != null && $Object.hasOwnProperty.call(message, "sent"))
                object.sent = message.sent;
            return object;
        };

        /**
         * Converts this Goodbye to JSON.
         * @function toJSON
         * @memberof qbp.Goodbye
         * @instance
         * @returns {Object.<string,*>} JSON object
         */
        Goodbye.prototype.toJSON = function() {
            return Goodbye.toObject(this, $protobuf.util.toJSONOptions);
        };

        /**
         * Gets the type url for Goodbye
         * @function getTypeUrl
         * @memberof qbp.Goodbye
         * @static
         * @param {string} [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns {string} The type url
         */
        Goodbye.getTypeUrl = function(prefix) {
            if (prefix === $undefined)
                prefix = "type.googleapis.com";
            return prefix + "/qbp.Goodbye";
        };

        return Goodbye;
    })();

    return qbp;
})();

export {
  $root as default
};
