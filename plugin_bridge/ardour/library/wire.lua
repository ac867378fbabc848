-- How a request leaves Ardour (OSC over UDP) and how it is remembered until its answer is there.
-- Ardour's Lua can send OSC but not receive it, so all answers are files in the server's work folder.

local library = ...
local wire = {}

local PORT = 9123 -- where `bandmate serve` listens unless told otherwise

local function settings ()
	local chosen = loadfile (library .. "settings.lua") -- written by `bandmate daw install --workdir`
	local home = os.getenv ("HOME") or os.getenv ("USERPROFILE") or "."
	local workdir = os.getenv ("BANDMATE_WORKDIR") or home .. "/.local/share/bandmate/work"
	return chosen and chosen () or { workdir = workdir }
end

wire.workdir = settings ().workdir
wire.inbox = wire.workdir .. "/inbox/"

function wire.read (path)
	local file = io.open (path, "rb")
	if not file then return nil end
	local text = file:read ("a")
	file:close ()
	return text
end

-- Nobody sees half a file: it is written under another name first.
function wire.write (path, text)
	local file = assert (io.open (path .. ".tmp", "wb"))
	file:write (text)
	file:close ()
	assert (os.rename (path .. ".tmp", path))
end

-- Eight hex digits that stand for this session (FNV-1a of its folder): two open sessions must not
-- take each other's stems out of the one mailbox.
function wire.tag ()
	local hash = 2166136261
	for index = 1, #Session:path () do
		hash = ((hash ~ Session:path ():byte (index)) * 16777619) & 0xffffffff
	end
	return string.format ("ardour-%08x", hash)
end

local count = 0
function wire.new_id ()
	count = count + 1
	local moment = (ARDOUR.LuaAPI.monotonic_time () + count) % 1000000
	return string.format ("%s-%s-%06d", wire.tag (), os.date ("%Y%m%d-%H%M%S"), moment)
end

-- JSON of a string, number, list or table with string keys.
function wire.json (value)
	if type (value) == "string" then
		local escaped = value:gsub ('[%c"\\\127]', function (char)
			return string.format ("\\u%04x", char:byte ())
		end)
		return '"' .. escaped .. '"'
	elseif type (value) == "number" then
		return math.type (value) == "integer" and tostring (value) or string.format ("%.6g", value)
	elseif #value > 0 then
		local items = {}
		for _, item in ipairs (value) do items[#items + 1] = wire.json (item) end
		return "[" .. table.concat (items, ", ") .. "]"
	end
	local names, items = {}, {}
	for name in pairs (value) do names[#names + 1] = name end
	table.sort (names)
	for _, name in ipairs (names) do
		items[#items + 1] = wire.json (name) .. ": " .. wire.json (value[name])
	end
	return "{" .. table.concat (items, ", ") .. "}"
end

local function literal (value)
	if type (value) ~= "table" then return (string.format ("%q", value):gsub ("\\\n", "\\n")) end
	local items = {}
	for key, item in pairs (value) do
		items[#items + 1] = "[" .. literal (key) .. "]=" .. literal (item)
	end
	return "{" .. table.concat (items, ",") .. "}"
end

local function port ()
	return tonumber ((wire.read (wire.workdir .. "/server.json") or ""):match ('"port":%s*(%d+)')) or PORT
end

-- UDP may lose it, and send () says nothing: the hook sends it again until the server has it.
function wire.send (address, types, arguments)
	local target = ARDOUR.LuaOSC.Address ("osc.udp://127.0.0.1:" .. port ())
	target:send (address, types, table.unpack (arguments))
end

-- Send a request, after a note of it for the hook, which waits for the answer.
--   label    what the musician calls it, for messages
--   exact    true if the stems take the place of audio that has its fades in it already
--   types    of the arguments after the request id, as OSC has them; h goes out as a double
function wire.request (label, exact, address, types, ...)
	local id = wire.new_id ()
	local note = {
		id = id, label = label, exact = exact, time = os.time (),
		address = address, types = "s" .. types, arguments = { id, ... },
	}
	local file = io.open (wire.inbox .. wire.tag () .. ".sent", "ab")
	if not file then
		error ("bandmate's server has never run here (there is no folder " .. wire.inbox ..
			"). Start it in a terminal:\n\nbandmate serve --allow \"" .. Session:path () .. "\"", 0)
	end
	file:write (literal (note), "\n")
	file:close ()
	wire.send (address, note.types, note.arguments)
	return id
end

-- The notes made since the last call.
function wire.sent ()
	local path = wire.inbox .. wire.tag ()
	if not os.rename (path .. ".sent", path .. ".noted") then return {} end
	local notes = {}
	for line in io.lines (path .. ".noted") do
		local make = load ("return " .. line, "=note", "t", {})
		if make then notes[#notes + 1] = make () end
	end
	os.remove (path .. ".noted")
	return notes
end

-- Tell the musician, and keep it in messages.txt beside this file.
function wire.say (text, kind)
	local log = io.open (library .. "messages.txt", "ab")
	if log then
		log:write (os.date ("%Y-%m-%d %H:%M:%S "), (text:gsub ("\n+", " ")), "\n")
		log:close ()
	end
	LuaDialog.Message ("bandmate", text, kind or LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
end

-- Call a function; what goes wrong in it is told, and goes no further.
function wire.guarded (work, ...)
	local ok, problem = pcall (work, ...)
	if not ok then wire.say (tostring (problem)) end
end

return wire
