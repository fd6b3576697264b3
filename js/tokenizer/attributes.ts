/** What a token is, as bits. Source: llama.cpp's llama_token_attr. */
export const UNKNOWN = 1
export const NORMAL = 2
export const CONTROL = 4
export const USER_DEFINED = 8
export const UNUSED = 16
export const BYTE = 32
/** White space after the token belongs to it. */
export const RSTRIP = 64
