import * as $protobuf from "protobufjs/minimal.js";
import Long = require("long");

/** Namespace qbp. */
export namespace qbp {

    /**
     * Properties of a Hello.
     * @deprecated Use qbp.Hello.$Properties instead.
     */
    interface IHello extends qbp.Hello.$Properties {
    }

    /** Represents a Hello. */
    class Hello {

        /**
         * Constructs a new Hello.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Hello.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Hello user. */
        user: string;

        /**
         * Creates a new Hello instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Hello instance
         */
        static create(properties: qbp.Hello.$Shape): qbp.Hello & qbp.Hello.$Shape;
        static create(properties?: qbp.Hello.$Properties): qbp.Hello;

        /**
         * Encodes the specified Hello message. Does not implicitly {@link qbp.Hello.verify|verify} messages.
         * @param message Hello message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Hello.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Hello message, length delimited. Does not implicitly {@link qbp.Hello.verify|verify} messages.
         * @param message Hello message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Hello.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Hello message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Hello & qbp.Hello.$Shape} Hello
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Hello & qbp.Hello.$Shape;

        /**
         * Decodes a Hello message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Hello & qbp.Hello.$Shape} Hello
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Hello & qbp.Hello.$Shape;

        /**
         * Verifies a Hello message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Hello message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Hello
         */
        static fromObject(object: { [k: string]: any }): qbp.Hello;

        /**
         * Creates a plain object from a Hello message. Also converts values to other types if specified.
         * @param message Hello
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Hello, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Hello to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Hello
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Hello {

        /** Properties of a Hello. */
        interface $Properties {

            /** Hello user */
            user?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Hello. */
        type $Shape = qbp.Hello.$Properties;
    }

    /**
     * Properties of a Welcome.
     * @deprecated Use qbp.Welcome.$Properties instead.
     */
    interface IWelcome extends qbp.Welcome.$Properties {
    }

    /** Represents a Welcome. */
    class Welcome {

        /**
         * Constructs a new Welcome.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Welcome.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Welcome session. */
        session: number;

        /**
         * Creates a new Welcome instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Welcome instance
         */
        static create(properties: qbp.Welcome.$Shape): qbp.Welcome & qbp.Welcome.$Shape;
        static create(properties?: qbp.Welcome.$Properties): qbp.Welcome;

        /**
         * Encodes the specified Welcome message. Does not implicitly {@link qbp.Welcome.verify|verify} messages.
         * @param message Welcome message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Welcome.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Welcome message, length delimited. Does not implicitly {@link qbp.Welcome.verify|verify} messages.
         * @param message Welcome message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Welcome.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Welcome message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Welcome & qbp.Welcome.$Shape} Welcome
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Welcome & qbp.Welcome.$Shape;

        /**
         * Decodes a Welcome message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Welcome & qbp.Welcome.$Shape} Welcome
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Welcome & qbp.Welcome.$Shape;

        /**
         * Verifies a Welcome message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Welcome message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Welcome
         */
        static fromObject(object: { [k: string]: any }): qbp.Welcome;

        /**
         * Creates a plain object from a Welcome message. Also converts values to other types if specified.
         * @param message Welcome
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Welcome, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Welcome to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Welcome
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Welcome {

        /** Properties of a Welcome. */
        interface $Properties {

            /** Welcome session */
            session?: (number|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Welcome. */
        type $Shape = qbp.Welcome.$Properties;
    }

    /**
     * Properties of a Join.
     * @deprecated Use qbp.Join.$Properties instead.
     */
    interface IJoin extends qbp.Join.$Properties {
    }

    /** Represents a Join. */
    class Join {

        /**
         * Constructs a new Join.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Join.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Join room. */
        room: string;

        /**
         * Creates a new Join instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Join instance
         */
        static create(properties: qbp.Join.$Shape): qbp.Join & qbp.Join.$Shape;
        static create(properties?: qbp.Join.$Properties): qbp.Join;

        /**
         * Encodes the specified Join message. Does not implicitly {@link qbp.Join.verify|verify} messages.
         * @param message Join message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Join.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Join message, length delimited. Does not implicitly {@link qbp.Join.verify|verify} messages.
         * @param message Join message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Join.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Join message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Join & qbp.Join.$Shape} Join
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Join & qbp.Join.$Shape;

        /**
         * Decodes a Join message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Join & qbp.Join.$Shape} Join
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Join & qbp.Join.$Shape;

        /**
         * Verifies a Join message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Join message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Join
         */
        static fromObject(object: { [k: string]: any }): qbp.Join;

        /**
         * Creates a plain object from a Join message. Also converts values to other types if specified.
         * @param message Join
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Join, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Join to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Join
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Join {

        /** Properties of a Join. */
        interface $Properties {

            /** Join room */
            room?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Join. */
        type $Shape = qbp.Join.$Properties;
    }

    /**
     * Properties of a Joined.
     * @deprecated Use qbp.Joined.$Properties instead.
     */
    interface IJoined extends qbp.Joined.$Properties {
    }

    /** Represents a Joined. */
    class Joined {

        /**
         * Constructs a new Joined.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Joined.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Joined room. */
        room: string;

        /** Joined members. */
        members: string[];

        /** Joined history. */
        history: qbp.Said.$Properties[];

        /**
         * Creates a new Joined instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Joined instance
         */
        static create(properties: qbp.Joined.$Shape): qbp.Joined & qbp.Joined.$Shape;
        static create(properties?: qbp.Joined.$Properties): qbp.Joined;

        /**
         * Encodes the specified Joined message. Does not implicitly {@link qbp.Joined.verify|verify} messages.
         * @param message Joined message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Joined.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Joined message, length delimited. Does not implicitly {@link qbp.Joined.verify|verify} messages.
         * @param message Joined message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Joined.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Joined message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Joined & qbp.Joined.$Shape} Joined
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Joined & qbp.Joined.$Shape;

        /**
         * Decodes a Joined message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Joined & qbp.Joined.$Shape} Joined
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Joined & qbp.Joined.$Shape;

        /**
         * Verifies a Joined message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Joined message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Joined
         */
        static fromObject(object: { [k: string]: any }): qbp.Joined;

        /**
         * Creates a plain object from a Joined message. Also converts values to other types if specified.
         * @param message Joined
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Joined, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Joined to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Joined
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Joined {

        /** Properties of a Joined. */
        interface $Properties {

            /** Joined room */
            room?: (string|null);

            /** Joined members */
            members?: (string[]|null);

            /** Joined history */
            history?: (qbp.Said.$Properties[]|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Joined. */
        type $Shape = qbp.Joined.$Properties;
    }

    /**
     * Properties of a Leave.
     * @deprecated Use qbp.Leave.$Properties instead.
     */
    interface ILeave extends qbp.Leave.$Properties {
    }

    /** Represents a Leave. */
    class Leave {

        /**
         * Constructs a new Leave.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Leave.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Leave room. */
        room: string;

        /**
         * Creates a new Leave instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Leave instance
         */
        static create(properties: qbp.Leave.$Shape): qbp.Leave & qbp.Leave.$Shape;
        static create(properties?: qbp.Leave.$Properties): qbp.Leave;

        /**
         * Encodes the specified Leave message. Does not implicitly {@link qbp.Leave.verify|verify} messages.
         * @param message Leave message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Leave.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Leave message, length delimited. Does not implicitly {@link qbp.Leave.verify|verify} messages.
         * @param message Leave message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Leave.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Leave message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Leave & qbp.Leave.$Shape} Leave
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Leave & qbp.Leave.$Shape;

        /**
         * Decodes a Leave message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Leave & qbp.Leave.$Shape} Leave
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Leave & qbp.Leave.$Shape;

        /**
         * Verifies a Leave message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Leave message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Leave
         */
        static fromObject(object: { [k: string]: any }): qbp.Leave;

        /**
         * Creates a plain object from a Leave message. Also converts values to other types if specified.
         * @param message Leave
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Leave, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Leave to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Leave
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Leave {

        /** Properties of a Leave. */
        interface $Properties {

            /** Leave room */
            room?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Leave. */
        type $Shape = qbp.Leave.$Properties;
    }

    /**
     * Properties of a Say.
     * @deprecated Use qbp.Say.$Properties instead.
     */
    interface ISay extends qbp.Say.$Properties {
    }

    /** Represents a Say. */
    class Say {

        /**
         * Constructs a new Say.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Say.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Say room. */
        room: string;

        /** Say text. */
        text: string;

        /**
         * Creates a new Say instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Say instance
         */
        static create(properties: qbp.Say.$Shape): qbp.Say & qbp.Say.$Shape;
        static create(properties?: qbp.Say.$Properties): qbp.Say;

        /**
         * Encodes the specified Say message. Does not implicitly {@link qbp.Say.verify|verify} messages.
         * @param message Say message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Say.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Say message, length delimited. Does not implicitly {@link qbp.Say.verify|verify} messages.
         * @param message Say message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Say.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Say message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Say & qbp.Say.$Shape} Say
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Say & qbp.Say.$Shape;

        /**
         * Decodes a Say message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Say & qbp.Say.$Shape} Say
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Say & qbp.Say.$Shape;

        /**
         * Verifies a Say message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Say message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Say
         */
        static fromObject(object: { [k: string]: any }): qbp.Say;

        /**
         * Creates a plain object from a Say message. Also converts values to other types if specified.
         * @param message Say
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Say, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Say to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Say
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Say {

        /** Properties of a Say. */
        interface $Properties {

            /** Say room */
            room?: (string|null);

            /** Say text */
            text?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Say. */
        type $Shape = qbp.Say.$Properties;
    }

    /**
     * Properties of a Said.
     * @deprecated Use qbp.Said.$Properties instead.
     */
    interface ISaid extends qbp.Said.$Properties {
    }

    /** Represents a Said. */
    class Said {

        /**
         * Constructs a new Said.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Said.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Said room. */
        room: string;

        /** Said number. */
        number: number;

        /** Said user. */
        user: string;

        /** Said text. */
        text: string;

        /**
         * Creates a new Said instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Said instance
         */
        static create(properties: qbp.Said.$Shape): qbp.Said & qbp.Said.$Shape;
        static create(properties?: qbp.Said.$Properties): qbp.Said;

        /**
         * Encodes the specified Said message. Does not implicitly {@link qbp.Said.verify|verify} messages.
         * @param message Said message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Said.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Said message, length delimited. Does not implicitly {@link qbp.Said.verify|verify} messages.
         * @param message Said message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Said.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Said message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Said & qbp.Said.$Shape} Said
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Said & qbp.Said.$Shape;

        /**
         * Decodes a Said message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Said & qbp.Said.$Shape} Said
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Said & qbp.Said.$Shape;

        /**
         * Verifies a Said message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Said message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Said
         */
        static fromObject(object: { [k: string]: any }): qbp.Said;

        /**
         * Creates a plain object from a Said message. Also converts values to other types if specified.
         * @param message Said
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Said, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Said to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Said
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Said {

        /** Properties of a Said. */
        interface $Properties {

            /** Said room */
            room?: (string|null);

            /** Said number */
            number?: (number|null);

            /** Said user */
            user?: (string|null);

            /** Said text */
            text?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Said. */
        type $Shape = qbp.Said.$Properties;
    }

    /**
     * Properties of a Refused.
     * @deprecated Use qbp.Refused.$Properties instead.
     */
    interface IRefused extends qbp.Refused.$Properties {
    }

    /** Represents a Refused. */
    class Refused {

        /**
         * Constructs a new Refused.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Refused.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Refused reason. */
        reason: string;

        /**
         * Creates a new Refused instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Refused instance
         */
        static create(properties: qbp.Refused.$Shape): qbp.Refused & qbp.Refused.$Shape;
        static create(properties?: qbp.Refused.$Properties): qbp.Refused;

        /**
         * Encodes the specified Refused message. Does not implicitly {@link qbp.Refused.verify|verify} messages.
         * @param message Refused message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Refused.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Refused message, length delimited. Does not implicitly {@link qbp.Refused.verify|verify} messages.
         * @param message Refused message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Refused.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Refused message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Refused & qbp.Refused.$Shape} Refused
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Refused & qbp.Refused.$Shape;

        /**
         * Decodes a Refused message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Refused & qbp.Refused.$Shape} Refused
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Refused & qbp.Refused.$Shape;

        /**
         * Verifies a Refused message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Refused message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Refused
         */
        static fromObject(object: { [k: string]: any }): qbp.Refused;

        /**
         * Creates a plain object from a Refused message. Also converts values to other types if specified.
         * @param message Refused
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Refused, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Refused to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Refused
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Refused {

        /** Properties of a Refused. */
        interface $Properties {

            /** Refused reason */
            reason?: (string|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Refused. */
        type $Shape = qbp.Refused.$Properties;
    }

    /**
     * Properties of a Bye.
     * @deprecated Use qbp.Bye.$Properties instead.
     */
    interface IBye extends qbp.Bye.$Properties {
    }

    /** Represents a Bye. */
    class Bye {

        /**
         * Constructs a new Bye.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Bye.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /**
         * Creates a new Bye instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Bye instance
         */
        static create(properties: qbp.Bye.$Shape): qbp.Bye & qbp.Bye.$Shape;
        static create(properties?: qbp.Bye.$Properties): qbp.Bye;

        /**
         * Encodes the specified Bye message. Does not implicitly {@link qbp.Bye.verify|verify} messages.
         * @param message Bye message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Bye.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Bye message, length delimited. Does not implicitly {@link qbp.Bye.verify|verify} messages.
         * @param message Bye message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Bye.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Bye message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Bye & qbp.Bye.$Shape} Bye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Bye & qbp.Bye.$Shape;

        /**
         * Decodes a Bye message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Bye & qbp.Bye.$Shape} Bye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Bye & qbp.Bye.$Shape;

        /**
         * Verifies a Bye message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Bye message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Bye
         */
        static fromObject(object: { [k: string]: any }): qbp.Bye;

        /**
         * Creates a plain object from a Bye message. Also converts values to other types if specified.
         * @param message Bye
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Bye, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Bye to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Bye
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Bye {

        /** Properties of a Bye. */
        interface $Properties {

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Bye. */
        type $Shape = qbp.Bye.$Properties;
    }

    /**
     * Properties of a Goodbye.
     * @deprecated Use qbp.Goodbye.$Properties instead.
     */
    interface IGoodbye extends qbp.Goodbye.$Properties {
    }

    /** Represents a Goodbye. */
    class Goodbye {

        /**
         * Constructs a new Goodbye.
         * @param [properties] Properties to set
         */
        constructor(properties?: qbp.Goodbye.$Properties);

        /** Unknown fields preserved while decoding when enabled */
        $unknowns?: Uint8Array[];

        /** Goodbye received. */
        received: number;

        /** Goodbye sent. */
        sent: number;

        /**
         * Creates a new Goodbye instance using the specified properties.
         * @param [properties] Properties to set
         * @returns Goodbye instance
         */
        static create(properties: qbp.Goodbye.$Shape): qbp.Goodbye & qbp.Goodbye.$Shape;
        static create(properties?: qbp.Goodbye.$Properties): qbp.Goodbye;

        /**
         * Encodes the specified Goodbye message. Does not implicitly {@link qbp.Goodbye.verify|verify} messages.
         * @param message Goodbye message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encode(message: qbp.Goodbye.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Encodes the specified Goodbye message, length delimited. Does not implicitly {@link qbp.Goodbye.verify|verify} messages.
         * @param message Goodbye message or plain object to encode
         * @param [writer] Writer to encode to
         * @returns Writer
         */
        static encodeDelimited(message: qbp.Goodbye.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

        /**
         * Decodes a Goodbye message from the specified reader or buffer.
         * @param reader Reader or buffer to decode from
         * @param [length] Message length if known beforehand
         * @returns {qbp.Goodbye & qbp.Goodbye.$Shape} Goodbye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): qbp.Goodbye & qbp.Goodbye.$Shape;

        /**
         * Decodes a Goodbye message from the specified reader or buffer, length delimited.
         * @param reader Reader or buffer to decode from
         * @returns {qbp.Goodbye & qbp.Goodbye.$Shape} Goodbye
         * @throws {Error} If the payload is not a reader or valid buffer
         * @throws {$protobuf.util.ProtocolError} If required fields are missing
         */
        static decodeDelimited(reader: ($protobuf.Reader|Uint8Array)): qbp.Goodbye & qbp.Goodbye.$Shape;

        /**
         * Verifies a Goodbye message.
         * @param message Plain object to verify
         * @returns `null` if valid, otherwise the reason why it is not
         */
        static verify(message: { [k: string]: any }): (string|null);

        /**
         * Creates a Goodbye message from a plain object. Also converts values to their respective internal types.
         * @param object Plain object
         * @returns Goodbye
         */
        static fromObject(object: { [k: string]: any }): qbp.Goodbye;

        /**
         * Creates a plain object from a Goodbye message. Also converts values to other types if specified.
         * @param message Goodbye
         * @param [options] Conversion options
         * @returns Plain object
         */
        static toObject(message: qbp.Goodbye, options?: $protobuf.IConversionOptions): { [k: string]: any };

        /**
         * Converts this Goodbye to JSON.
         * @returns JSON object
         */
        toJSON(): { [k: string]: any };

        /**
         * Gets the type url for Goodbye
         * @param [prefix] Custom type url prefix, defaults to `"type.googleapis.com"`
         * @returns The type url
         */
        static getTypeUrl(prefix?: string): string;
    }

    namespace Goodbye {

        /** Properties of a Goodbye. */
        interface $Properties {

            /** Goodbye received */
            received?: (number|null);

            /** Goodbye sent */
            sent?: (number|null);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];
        }

        /** Shape of a Goodbye. */
        type $Shape = qbp.Goodbye.$Properties;
    }
}
