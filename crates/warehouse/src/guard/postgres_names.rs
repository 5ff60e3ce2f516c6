//! What PostgreSQL statements may name: functions, operators, types and node kinds.

use std::{collections::HashSet, sync::LazyLock};

/// Functions that only compute, by unqualified name.
pub(super) static FUNCTIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    [
        AGGREGATES,
        WINDOW_FUNCTIONS,
        NUMBERS,
        TEXT,
        FUZZY_TEXT,
        TIMES,
        ARRAYS_AND_SETS,
        JSON,
        RANGES,
        TEXT_SEARCH,
        OTHERS,
    ]
    .into_iter()
    .flat_map(str::split_whitespace)
    .collect()
});

const AGGREGATES: &str = "
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every
    json_agg json_object_agg jsonb_agg jsonb_object_agg max min mode percentile_cont percentile_disc
    range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
    regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance";

const WINDOW_FUNCTIONS: &str = "
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number";

const NUMBERS: &str = "
    abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot
    cotd degrees div erf erfc exp factorial floor gcd lcm ln log log10 min_scale mod numeric pi pow power
    radians random round scale sign sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket";

const TEXT: &str = "
    ascii bit_length btrim casefold char_length character_length chr concat concat_ws convert_from
    convert_to decode encode format initcap is_normalized left length like_escape lower lpad ltrim md5
    normalize octet_length overlay parse_ident position quote_ident quote_literal quote_nullable
    regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim sha224 sha256 sha384 sha512
    similar_escape similar_to_escape split_part starts_with string_to_array string_to_table strpos substr
    substring text to_ascii to_bin to_hex to_oct translate unaccent unistr upper";

/// Of the extensions pg_trgm and fuzzystrmatch.
const FUZZY_TEXT: &str = "
    daitch_mokotoff difference dmetaphone dmetaphone_alt levenshtein levenshtein_less_equal metaphone
    similarity soundex strict_word_similarity word_similarity";

const TIMES: &str = "
    age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract isfinite
    justify_days justify_hours justify_interval make_date make_interval make_time make_timestamp
    make_timestamptz now overlaps statement_timestamp time timeofday timestamp timestamptz timezone to_char
    to_date to_number to_timestamp transaction_timestamp";

const ARRAYS_AND_SETS: &str = "
    array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle
    array_sort array_to_string array_upper cardinality generate_series generate_subscripts trim_array unnest";

const JSON: &str = "
    array_to_json json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
    json_object_keys json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys
    jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first
    jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
    row_to_json to_json to_jsonb";

const RANGES: &str = "
    daterange int4range int8range isempty lower_inc lower_inf numrange range_merge tsrange tstzrange
    upper_inc upper_inf";

const TEXT_SEARCH: &str = "
    numnode phraseto_tsquery plainto_tsquery setweight strip to_tsquery to_tsvector ts_headline ts_rank
    ts_rank_cd tsvector_to_array websearch_to_tsquery";

const OTHERS: &str = "
    cidr family gen_random_uuid get_bit get_byte greatest host inet least masklen netmask network
    num_nonnulls num_nulls pg_typeof set_bit set_byte uuidv4 uuidv7";

/// Operators, by unqualified name.
pub(super) static OPERATORS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| OPERATORS_TEXT.split_whitespace().collect());
const OPERATORS_TEXT: &str = "
    + - * / % ^ |/ ||/ @ & | # ~ << >> = <> != < > <= >= || ~~ ~~* !~~ !~~* ~* !~ !~* -> ->> #> #>> @> <@ ?
    ?| ?& #- @? @@ && -|- <-> &< &> ^@ <<= >>= <% %> <<% %>> !! <<| |>> &<| |&> ~= ## ?- *<>";

/// Types of PostgreSQL itself to which values may be cast.
pub(super) static TYPES: LazyLock<HashSet<&str>> = LazyLock::new(|| TYPES_TEXT.split_whitespace().collect());
const TYPES_TEXT: &str = "
    bigint bit bool boolean box bpchar bytea char character cidr circle date datemultirange daterange
    decimal float float4 float8 inet int int2 int4 int4multirange int4range int8 int8multirange int8range
    integer interval json jsonb jsonpath line lseg macaddr macaddr8 money name numeric nummultirange
    numrange path point polygon real smallint text time timestamp timestamptz timetz tsmultirange tsquery
    tsrange tstzmultirange tstzrange tsvector uuid varbit varchar";

/// Types of PostgreSQL itself that reach into its catalogs or transactions; `reg*` and `pg_*` go without saying.
pub(super) static FORBIDDEN_TYPES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| FORBIDDEN_TYPES_TEXT.split_whitespace().collect());
const FORBIDDEN_TYPES_TEXT: &str = "
    aclitem any anyarray anyelement cid cstring event_trigger fdw_handler gtsvector index_am_handler
    int2vector internal language_handler oid oidvector record refcursor table_am_handler tid trigger
    tsm_handler txid_snapshot unknown void xid xid8 xml";

/// Views of `information_schema` that may be read.
pub(super) const INFORMATION_SCHEMA: &[&str] = &[
    "columns",
    "constraint_column_usage",
    "key_column_usage",
    "referential_constraints",
    "schemata",
    "table_constraints",
    "tables",
    "views",
];

/// Fields that may be picked from a value as in `(value).field`: those of set-returning and row functions. Others are
/// refused, because PostgreSQL reads `(value).name` as the call `name(value)` when there is no such field.
pub(super) const FIELDS: &[&str] = &["key", "value", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"];

/// Kinds of nodes that a statement may be made of.
pub(super) static NODES: LazyLock<HashSet<&str>> = LazyLock::new(|| NODES_TEXT.split_whitespace().collect());
const NODES_TEXT: &str = "
    AArrayExpr AConst AExpr AIndices AIndirection AStar Alias BitString BoolExpr Boolean BooleanTest
    CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef ColumnRef CommonTableExpr Float FuncCall
    GroupingFunc GroupingSet Integer JoinExpr List MinMaxExpr NamedArgExpr NullTest RangeFunction
    RangeSubselect RangeTableSample RangeVar ResTarget RowExpr SelectStmt SortBy SqlvalueFunction String
    SubLink TypeCast TypeName WindowDef WithClause";

/// Fields that hold one node of a known kind, which is then not named in the tree.
pub(super) const STRUCT_FIELDS: &[(&str, &str)] = &[
    ("alias", "Alias"),
    ("join_using_alias", "Alias"),
    ("larg", "SelectStmt"),
    ("over", "WindowDef"),
    ("rarg", "SelectStmt"),
    ("type_name", "TypeName"),
    ("with_clause", "WithClause"),
];

/// What to call a refused node in a message.
pub(super) const NODE_WORDS: &[(&str, &str)] = &[
    ("AlterTableStmt", "ALTER"),
    ("CallStmt", "CALL"),
    ("CopyStmt", "COPY"),
    ("CreateFunctionStmt", "CREATE FUNCTION"),
    ("CreateStmt", "CREATE TABLE"),
    ("CreateTableAsStmt", "CREATE TABLE AS"),
    ("DeallocateStmt", "DEALLOCATE"),
    ("DeclareCursorStmt", "DECLARE CURSOR"),
    ("DeleteStmt", "DELETE"),
    ("DoStmt", "DO"),
    ("DropStmt", "DROP"),
    ("ExecuteStmt", "EXECUTE"),
    ("ExplainStmt", "EXPLAIN"),
    ("GrantStmt", "GRANT or REVOKE"),
    ("InsertStmt", "INSERT"),
    ("ListenStmt", "LISTEN"),
    ("LoadStmt", "LOAD"),
    ("LockStmt", "LOCK"),
    ("LockingClause", "FOR UPDATE or FOR SHARE"),
    ("MergeStmt", "MERGE"),
    ("NotifyStmt", "NOTIFY"),
    ("ParamRef", "a parameter such as $1"),
    ("PrepareStmt", "PREPARE"),
    ("TransactionStmt", "a transaction command"),
    ("TruncateStmt", "TRUNCATE"),
    ("UpdateStmt", "UPDATE"),
    ("VacuumStmt", "VACUUM or ANALYZE"),
    ("VariableSetStmt", "SET"),
    ("VariableShowStmt", "SHOW"),
    ("XmlExpr", "an XML expression"),
];
