-- Stems on new tracks: at their position, under their name, beside what they belong to.

local tracks = {}

local END = 100000 -- a place in the editor's order beyond that of any track

local function id_of (route)
	return route:to_stateful ():id ():to_s ()
end

local function import_file (file, position)
	local known = {}
	for route in Session:get_tracks ():iter () do known[id_of (route)] = true end
	local files = C.StringVector ()
	files:push_back (file)
	Editor:do_import (files, Editing.ImportDistinctFiles, Editing.ImportAsTrack, ARDOUR.SrcQuality.SrcBest,
		ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
		Temporal.timepos_t (position), ARDOUR.PluginInfo (), ARDOUR.Track (), false)
	for route in Session:get_tracks ():iter () do
		if not known[id_of (route)] then return route end
	end
	error ("Ardour did not import " .. file, 0)
end

local function free_name (name)
	if Session:route_by_name (name):isnil () then return name end
	local number = 2
	while not Session:route_by_name (name .. " " .. number):isnil () do number = number + 1 end
	return name .. " " .. number
end

local function starts (text, beginning)
	return text:sub (1, #beginning) == beginning
end

-- The last of the routes (in the editor's order) that a new track of this name belongs after: an
-- earlier take of the same stem, else another stem of the same source, else the source.
local function neighbour (routes, name)
	local source = name:match ("^(.*) %- ") or name
	local stem = name:gsub (" %(take %d+%)$", "")
	for _, beginning in ipairs ({ stem, source .. " - " }) do
		for index = #routes, 1, -1 do
			if starts (routes[index]:name (), beginning) then return index end
		end
	end
	for index, route in ipairs (routes) do
		if route:name () == source then return index end
	end
	return #routes
end

-- Put the new routes { route, wanted name }, in their order, each after its neighbour.
local function arrange (new)
	local is_new, all, routes = {}, {}, {}
	for _, one in ipairs (new) do is_new[id_of (one.route)] = true end
	for route in Session:get_routes ():iter () do
		if not route:is_monitor () and not route:is_auditioner () then all[#all + 1] = route end
	end
	local function place (route) return route:presentation_info_ptr ():order () end
	table.sort (all, function (a, b) return place (a) < place (b) end)
	for _, route in ipairs (all) do
		if not is_new[id_of (route)] then routes[#routes + 1] = route end
	end
	for _, one in ipairs (new) do
		table.insert (routes, neighbour (routes, one.wanted) + 1, one.route)
	end
	-- After each change the editor numbers its tracks anew, so that a place which is taken cannot be
	-- given: from the first that is out of order on, each goes to the end, one after the other.
	local moving = false
	for index, route in ipairs (routes) do
		moving = moving or id_of (route) ~= id_of (all[index])
		if moving then route:set_presentation_order (END + index) end
	end
end

local function without_fades (route)
	for region in route:to_track ():playlist ():region_list ():iter () do
		region:to_audioregion ():set_fade_in_active (false)
		region:to_audioregion ():set_fade_out_active (false)
	end
end

-- Import rows { name, position (samples), file } and return the names of their tracks.
function tracks.import (rows, exact)
	local new, names = {}, {}
	for index, row in ipairs (rows) do
		local route = import_file (row.file, row.position)
		route:set_name (free_name (row.name))
		if exact then without_fades (route) end
		new[index] = { route = route, wanted = row.name }
		names[index] = route:name ()
	end
	arrange (new)
	return names
end

return tracks
